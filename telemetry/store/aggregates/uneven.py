"""Hours in which a register does not simply rise or a meter is changed, reading by reading.

A fall can be noise, a rollover, a dip, a reset (`telemetry/core/registers.py`), and the readings
after it tell which. So what is counted again begins four hours with readings before the hour that
changed, and ends four hours after it, or later, where the register has reached what it had reached
before.
"""

import json
from collections.abc import Sequence
from datetime import datetime
from decimal import Decimal
from itertools import pairwise
from typing import Any, LiteralString

from msgspec import Struct

from telemetry.core.consumption import hour_of
from telemetry.core.register_hours import CountedHour, count_hours
from telemetry.core.registers import HOUR, Value
from telemetry.store.db.connection import Connection
from telemetry.store.db.sql import Queries
from telemetry.store.installations.meters import list_meters


class Sql(Queries):
    list_uneven_hours: LiteralString
    read_account: LiteralString
    list_moves: LiteralString
    read_hours_around: LiteralString
    read_values: LiteralString
    write_uneven_hour: LiteralString
    delete_uneven_hours: LiteralString
    find_affected_uneven_hours: LiteralString


GAUGE = {"gauge"}
NEIGHBOURS = 4
"""Hours with readings on either side: one more than the readings of the longest dip."""


class Span(Struct):
    """Hours of a device, both ends included, that are counted again."""

    device_id: int
    first: datetime
    last: datetime

    @property
    def bounds(self) -> dict[str, Any]:
        """As parameters."""
        return {"device_id": self.device_id, "first": self.first, "last": self.last}


class Account(Struct, frozen=True):
    """Whose the device is. `spreads_gaps`: what is consumed in them is spread over their hours.
    `moves`: from when on it was whose, the last one first; none when it never moved."""

    id: int
    spreads_gaps: bool
    moves: list[tuple[datetime | None, int]]


class StoredHour(Struct, frozen=True):
    """An hour as it is stored. `ends`: its first and last reading; `height`: what the register had
    reached at its end."""

    hour: datetime
    account_id: int
    ends: tuple[Value, Value] | None
    height: Value


class Context(Struct, frozen=True):
    """What a span is counted from: the hour before it, its hours, those after it."""

    before: StoredHour | None
    hours: list[StoredHour]
    after: list[StoredHour]


def count_uneven_hours(connection: Connection) -> None:
    """Count the uneven ones of the affected hours and those around them."""
    rows: Any = connection.execute(Sql.list_uneven_hours, {"neighbours": NEIGHBOURS}).fetchall()
    for span in _merge(rows):
        _count_span(connection, span)


def _merge(rows: Sequence[tuple[int, datetime, datetime]]) -> list[Span]:
    """Spans (sorted) that overlap become one."""
    spans: list[Span] = []
    for device_id, first, last in rows:
        if spans and spans[-1].device_id == device_id and first <= spans[-1].last:
            spans[-1].last = max(spans[-1].last, last)
        else:
            spans.append(Span(device_id, first, last))
    return spans


def _count_span(connection: Connection, span: Span) -> None:
    """Count a span, a longer one while what the register reached at its end changes."""
    row: Any = connection.execute(Sql.read_account, [span.device_id]).fetchone()
    moves: Any = connection.execute(Sql.list_moves, [span.device_id]).fetchall()
    account = Account(row[0], row[1], moves)
    while True:
        context = _read_context(connection, span)
        counted = _count(connection, span, context, account)
        last = context.hours[-1] if context.hours else None
        end = counted.get(last.hour) if last else None
        if not context.after or (last and end and end.height == last.height):
            break
        span.last = context.after[-1].hour
    connection.execute(Sql.find_affected_uneven_hours, span.bounds)
    _write(connection, span, context, counted, account)
    connection.execute(Sql.find_affected_uneven_hours, span.bounds)


def _read_context(connection: Connection, span: Span) -> Context:
    rows: Any = connection.execute(
        Sql.read_hours_around, {**span.bounds, "neighbours": NEIGHBOURS}
    ).fetchall()
    hours = [
        StoredHour(
            hour,
            account_id,
            None if first is None else (Value(first_at, first), Value(last_at, last)),
            Value(height_at, height),
        )
        for hour, account_id, first, first_at, last, last_at, height, height_at in rows
    ]
    before = [hour for hour in hours if hour.hour < span.first]
    return Context(
        before[-1] if before else None,
        [hour for hour in hours if span.first <= hour.hour <= span.last],
        [hour for hour in hours if hour.hour > span.last],
    )


def _count(
    connection: Connection, span: Span, context: Context, account: Account
) -> dict[datetime, CountedHour]:
    """What the hours of a span come to, from the readings before, in and after it."""
    height = context.before.height if context.before else None
    until = (context.after[-1].hour if context.after else span.last) + HOUR
    installations = list_meters(connection, span.device_id, until=until)
    since = height.at if height else None
    if height is None:  # the beginning: a change of meter may come before the first reading
        changes = [
            hour_of(one.since)
            for before, one in pairwise(installations)
            if one.since is not None and {before.meter.measurement, one.meter.measurement} != GAUGE
        ]
        since = span.first = min([span.first, *changes])
    bounds = {"device_id": span.device_id, "since": since, "until": until}
    values: Any = connection.execute(Sql.read_values, bounds, prepare=False).fetchall()
    counted = count_hours(
        [Value(*row) for row in values],
        installations,
        height=height,
        is_spread=account.spreads_gaps,
    )
    return {hour: of for hour, of in counted.items() if span.first <= hour <= span.last}


def _write(
    connection: Connection,
    span: Span,
    context: Context,
    counted: dict[datetime, CountedHour],
    account: Account,
) -> None:
    stored = {hour.hour: hour for hour in context.hours}
    before = context.before
    end = before.ends[1] if before and before.ends and before.ends[1] == before.height else None
    rows = []
    for hour, of in sorted(counted.items()):
        here = stored.get(hour)
        ends = here.ends if here else None
        is_rising = ends is not None and of.rises(*ends, before=end)
        end = ends[1] if ends and is_rising else None
        rows.append(
            {
                "device_id": span.device_id,
                "hour": hour,
                "account_id": _find_account(context, hour, here, account),
                "within": of.within,
                "step": of.step,
                "step_from": of.step_from,
                "step_to": of.step_to,
                "is_gap": of.is_gap,
                "height": None if is_rising else of.height.value,
                "height_at": None if is_rising else of.height.at,
                "steps": None if is_rising else _as_json(of.steps),
            }
        )
    gone = [hour for hour in stored if hour not in counted]
    with connection.cursor() as cursor:
        cursor.execute(Sql.delete_uneven_hours, {"device_id": span.device_id, "hours": gone})
        cursor.executemany(Sql.write_uneven_hour, rows)


def _find_account(
    context: Context, hour: datetime, here: StoredHour | None, account: Account
) -> int:
    """Whose an hour is. Without readings: who had the device then; if it never moved, whose the
    next one with readings is, or the last one."""
    if here and here.ends:
        return here.account_id
    for since, account_id in account.moves:
        if since is None or hour >= since:
            return account_id
    if here:
        return here.account_id
    hours = [*context.hours, *context.after]
    later = [one.account_id for one in hours if one.hour > hour and one.ends]
    last = [context.before.account_id] if context.before else []
    last += [one.account_id for one in hours]
    return [*later[:1], *last[-1:], account.id][0]


def _as_json(steps: list[tuple[datetime, Decimal]]) -> str:
    return json.dumps([[at.isoformat(), str(consumed)] for at, consumed in steps])
