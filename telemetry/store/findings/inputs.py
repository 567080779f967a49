"""What the rules of findings look at: devices, their hours, readings and late readings."""

from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from decimal import Decimal
from itertools import groupby
from operator import itemgetter
from typing import Any, LiteralString

from msgspec import Struct
from msgspec.structs import replace

from telemetry.core.findings import (
    DAY,
    HOUR,
    Found,
    HourRow,
    LateReading,
    Plausible,
    find_baseline,
    find_cases,
)
from telemetry.core.installations import measure_stretch, split_stretches
from telemetry.core.multiples import find_repeated
from telemetry.core.registers import MOST_OUTLIERS, Value
from telemetry.store.db.connection import Connection
from telemetry.store.db.sql import Queries
from telemetry.store.installations.meters import list_meters


class Sql(Queries):
    read_devices: LiteralString
    read_hours: LiteralString
    list_uneven: LiteralString
    read_values: LiteralString
    list_days: LiteralString
    read_late: LiteralString
    largest_reading: LiteralString
    neighbours_counted: LiteralString


CONTEXT = timedelta(days=8)
"""What the rules look at before and after a change; and how far apart the changes of a step are."""
MOST_LATE = 50_000
MOST_VALUES = 100_000


class Device(Struct, frozen=True):
    """A device, and from when on to when the rules look at it. `is_sending`: it should send.
    `meters`: what is plausible of each, where one says it."""

    id: int
    account_id: int
    measurement: str
    interval_s: int | None
    is_sending: bool
    since: datetime
    until: datetime
    meters: tuple[Plausible, ...] = ()


def read_devices(connection: Connection, *, now: datetime) -> list[Device]:
    """The devices of the hours that are looked at."""
    rows: Any = connection.execute(Sql.read_devices, {"context": CONTEXT, "now": now}).fetchall()
    return [replace(Device(*row[:7]), meters=_read_plausible(*row[7:])) for row in rows]


def _read_plausible(*columns: Any) -> tuple[Plausible, ...]:
    """What is plausible of a device's meters; nothing where none says it."""
    return tuple(Plausible(*one) for one in zip(*(of or () for of in columns), strict=True))


def read_hours(connection: Connection, devices: Sequence[Device]) -> dict[int, list[HourRow]]:
    """Hours of devices by device, in order: those of their periods, what says what is usual
    around them, and one more before."""
    parameters = {
        "device_ids": [device.id for device in devices],
        "account_ids": [device.account_id for device in devices],
        "measurements": [device.measurement for device in devices],
        "sinces": [device.since - find_baseline(device.interval_s) for device in devices],
        "untils": [device.until + find_baseline(device.interval_s) for device in devices],
    }
    rows: Any = connection.execute(Sql.read_hours, parameters)
    return {
        device_id: [HourRow(*values) for _, *values in of]
        for device_id, of in groupby(rows, key=itemgetter(0))
    }


def list_uneven(connection: Connection, devices: Sequence[Device]) -> dict[int, list[datetime]]:
    """Hours in which registers did not simply rise, by device; also the one before the period: it
    counts a reading at the first instant."""
    registers = [device for device in devices if device.measurement == "cumulative"]
    parameters = {
        "device_ids": [device.id for device in registers],
        "account_ids": [device.account_id for device in registers],
        "sinces": [device.since - HOUR for device in registers],
        "untils": [device.until for device in registers],
    }
    rows: Any = connection.execute(Sql.list_uneven, parameters).fetchall()
    return dict(rows)


def find_register_cases(
    connection: Connection, device: Device, hours: list[datetime]
) -> list[Found]:
    """Dips, spikes and resets around these hours (sorted)."""
    found: dict[tuple[str, datetime], Found] = {}
    margin = max(DAY, (MOST_OUTLIERS + 1) * timedelta(seconds=device.interval_s or 0))
    for start, end in merge_hours(hours, margin=margin):
        readings = read_values(connection, device, start=start, end=end)
        meters = list_meters(connection, device.id, until=end)
        begun = readings[0] if readings else None
        steps = [
            step
            for stretch in split_stretches(readings[1:], meters, height=begun)
            for step in measure_stretch(stretch)
        ]
        for one in find_cases(readings, steps):
            found[one.rule, one.since] = one
    return list(found.values())


def find_repeated_deltas(
    connection: Connection, device: Device, hours: list[datetime]
) -> list[Found]:
    """Deltas that came twice in or before these hours (sorted)."""
    if device.interval_s is None:
        return []
    found: dict[datetime, Found] = {}
    for start, end in merge_hours(hours, margin=timedelta(seconds=device.interval_s)):
        readings = read_values(connection, device, start=start, end=end)
        for one in find_repeated(readings, interval_s=device.interval_s):
            found[one.since] = one
    return list(found.values())


def merge_hours(hours: Iterable[datetime], *, margin: timedelta) -> list[tuple[datetime, datetime]]:
    """Spans of hours (sorted) with a margin on either side; those that meet become one."""
    spans: list[tuple[datetime, datetime]] = []
    for hour in hours:
        start, end = hour - margin, hour + HOUR + margin
        if spans and start <= spans[-1][1]:
            start = spans.pop()[0]
        spans.append((start, end))
    return spans


def read_values(
    connection: Connection, device: Device, *, start: datetime, end: datetime
) -> list[Value]:
    """The readings of a device after `start`, up to and including `end`; at most 100,000."""
    bounds = {"device": device.id, "account": device.account_id, "start": start, "end": end}
    rows: Any = connection.execute(
        Sql.read_values, {**bounds, "most": MOST_VALUES}, prepare=False
    ).fetchall()
    return [Value(at, value) for at, value in rows]


def read_late(connection: Connection, devices: Sequence[Device]) -> dict[int, list[LateReading]]:
    """Late readings of the UTC days in which one of the devices' changed hours has some."""
    found: dict[int, list[LateReading]] = {}
    ids = [device.id for device in devices]
    days: Any = connection.execute(Sql.list_days, {"devices": ids}).fetchall()
    for (day,) in days:
        # Constant bounds: a statement opens the chunk of one day, and of the one after it.
        bounds = {
            "devices": ids, "start": day, "end": day + timedelta(days=1), "most": MOST_LATE,
        }  # fmt: skip
        rows: Any = connection.execute(Sql.read_late, bounds, prepare=False).fetchall()
        for device_id, *values in rows:
            found.setdefault(device_id, []).append(LateReading(*values))
    return found


def have_neighbours_counted(
    connection: Connection, device: Device, *, since: datetime, until: datetime
) -> bool:
    """Whether at least half of the account's other devices with the unit counted meanwhile."""
    parameters = {"device": device.id, "account": device.account_id, "since": since, "until": until}
    row: Any = connection.execute(Sql.neighbours_counted, parameters).fetchone()
    return bool(row[0])


def find_reading(
    connection: Connection, device: Device, *, start: datetime, end: datetime, value: Decimal | None
) -> Value | None:
    """The first reading of an hour with a value; None: with its largest value."""
    bounds = {"device": device.id, "account": device.account_id, "start": start, "end": end}
    row: Any = connection.execute(
        Sql.largest_reading, {**bounds, "value": value}, prepare=False
    ).fetchone()
    return None if row is None else Value(*row)
