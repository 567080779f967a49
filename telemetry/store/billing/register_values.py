"""What registers had reached at an instant, for statements.

Where a register simply rises it is the last reading. Elsewhere (a fall, a change of meter) it is
counted by the pure form, from what it had reached four hours with readings before.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, LiteralString

from django.db import connection

from telemetry.core.consumption import hour_of
from telemetry.core.installations import Installation, measure_stretch, split_stretches
from telemetry.core.registers import Step, Value
from telemetry.core.statements import RegisterValue, find_register, interpolate, name_source
from telemetry.store.db.sql import Queries


class Sql(Queries):
    heights: LiteralString
    first_readings: LiteralString
    base: LiteralString
    values_around: LiteralString


NEIGHBOURS = 4

Meters = Mapping[int, tuple[Installation, Sequence[Installation]]]
"""By device: the meter at an instant, and all that it has had."""


def read_registers(
    account_id: int, at: datetime, *, meters: Meters, gaps: Mapping[int, Step]
) -> dict[int, RegisterValue]:
    """What the registers of devices had reached at an instant; nothing of those without a reading
    until then. `gaps`: those that reach over it."""
    scope = {"account": account_id, "hour": hour_of(at), "at": at}
    found = {}
    for device, is_uneven, value, value_at in _fetch(
        Sql.heights, {**scope, "devices": list(meters)}
    ):
        installation, installations = meters[device]
        height = None if value is None else Value(value_at, value)
        if is_uneven:
            height = _count_height({**scope, "device": device}, at, installation, installations)
        if height is None or (installation.since is not None and height.at < installation.since):
            height = installation.start
        if height is None:
            continue
        found[device] = (
            interpolate(height.value, gaps[device], at, meter=installation.meter)
            if device in gaps
            else RegisterValue(height.value, height.at, name_source(height.at, installation))
        )
    return found


def read_first(account_id: int, begins: Sequence[tuple[int, datetime]]) -> list[Value | None]:
    """The first reading of each device after an instant; None: it has none."""
    columns: dict[str, Any] = {
        "numbers": list(range(len(begins))),
        "devices": [device for device, _since in begins],
        "sinces": [since for _device, since in begins],
        "hours": [hour_of(since) for _device, since in begins],
    }
    rows = _fetch(Sql.first_readings, {"account": account_id, **columns})
    found = {number: Value(at, value) for number, value, at in rows if at is not None}
    return [found.get(number) for number in range(len(begins))]


def _count_height(
    scope: dict[str, Any],
    at: datetime,
    installation: Installation,
    installations: Sequence[Installation],
) -> Value | None:
    """What a register had reached, counted from some hours before."""
    scope = {**scope, "neighbours": NEIGHBOURS}
    row = next(iter(_fetch(Sql.base, scope)), None)
    base = None if row is None else Value(*row)
    rows = _fetch(Sql.values_around, {**scope, "base": base.at if base else None})
    stretches = split_stretches([Value(*one) for one in rows], installations, height=base)
    for stretch in stretches:
        if stretch.installation == installation:
            steps = measure_stretch(stretch, is_spread=False)
            value = find_register(stretch, steps, at)
            return None if value is None else Value(value.at, value.value)
    return base


def _fetch(statement: LiteralString, parameters: dict[str, Any]) -> list[Any]:
    with connection.cursor() as cursor:
        cursor.execute(statement, parameters)
        return list(cursor.fetchall())
