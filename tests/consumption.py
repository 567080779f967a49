"""Meters, readings and what they must come to, made for tests."""

from collections.abc import Callable, Iterable
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from itertools import count
from typing import Any
from zoneinfo import ZoneInfo

from msgspec import Struct

from telemetry.core.consumption import (
    DAY,
    Consumption,
    Installation,
    Meter,
    Totals,
    Value,
    consume_by,
    count_intervals,
    counted_day,
    hour_of,
    measure,
    month_of,
    next_month,
    start_of,
    sum_by,
)
from telemetry.core.installations import find_installation
from telemetry.core.registers import HOUR
from telemetry.store.db.connection import Connection
from telemetry.store.ingest.ledger import insert_dirty_hours

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_numbers = count(10_000)  # all of five digits: sorting by name keeps the order
INSERT_READINGS = """
INSERT INTO reading (time, received_at, account_id, gateway_id, device_id, value, unit)
SELECT time, now(), account_id, gateway_id, device_id, value, ''
FROM unnest(%s::timestamptz[], %s::bigint[], %s::bigint[], %s::bigint[], %s::numeric[])
    AS r (time, account_id, gateway_id, device_id, value)
ON CONFLICT DO NOTHING RETURNING device_id, time
"""


class Replacement(Struct, frozen=True):
    """A change of a meter, which measures as the one before did unless `meter` says otherwise."""

    at: datetime
    old_value: Decimal | None = None
    new_value: Decimal | None = None
    meter: Meter | None = None


def install(meter: Meter, changes: Iterable[Replacement] = ()) -> list[Installation]:
    """The installations of a device that began with `meter`."""
    installations = [Installation(meter)]
    for change in sorted(changes, key=lambda change: change.at):
        meter = change.meter or meter
        installations.append(Installation(meter, change.at, change.old_value, change.new_value))
    return installations


class Site(Struct, frozen=True):
    """A registered device with what its consumption depends on."""

    device_id: int
    account_id: int
    gateway_id: int
    zone: str
    billing_day: int
    meter: Meter
    is_spread: bool = False  # what is consumed in a gap


def register(
    connection: Connection,
    meter: Meter,
    *,
    zone: str = "UTC",
    billing_day: int = 1,
    beside: Site | None = None,
    is_spread: bool | None = False,
) -> Site:
    """Register a device: in an account of its own, or beside another one. `is_spread`: whether the
    account spreads gaps; None: where the database does not know of it."""
    number = next(_numbers)
    if beside is None:
        account_id = _insert(
            connection, "account", name=f"A{number}", time_zone=zone, billing_day=billing_day,
            is_active=True, **({} if is_spread is None else {"spreads_gaps": is_spread}),
        )  # fmt: skip
    else:
        is_spread = beside.is_spread
        account_id, zone, billing_day = beside.account_id, beside.zone, beside.billing_day
    mac = ":".join(f"{byte:02x}" for byte in number.to_bytes(6, "big"))
    gateway_id = _insert(
        connection, "gateway", account_id=account_id, code=f"G{number}", mac=mac, name="",
        location="", max_devices=8, is_active=True, is_online=False, firmware_version="",
    )  # fmt: skip
    device_id = _insert(
        connection, "device", gateway_id=gateway_id, account_id=account_id, code="D", name="",
        kind="sensor", measurement=meter.measurement, unit="", is_active=True,
        register_modulus=meter.modulus, interval_s=meter.interval_s,
    )  # fmt: skip
    if meter.factor != 1:
        connection.execute(
            "UPDATE installation SET factor = %s WHERE device_id = %s", [meter.factor, device_id]
        )
    if meter.is_net:
        connection.execute(
            "UPDATE installation SET is_net = true WHERE device_id = %s", [device_id]
        )
    return Site(device_id, account_id, gateway_id, zone, billing_day, meter, bool(is_spread))


def _insert(connection: Connection, table: str, **fields: Any) -> int:
    names, marks = ", ".join(fields), ", ".join(["%s"] * len(fields))
    row: Any = connection.execute(
        f"INSERT INTO {table} ({names}) VALUES ({marks}) RETURNING id",
        list(fields.values()),
    ).fetchone()
    return int(row[0])


def put(connection: Connection, readings: Iterable[tuple[Site, Value]]) -> None:
    """Store readings and note their hours, as the ingest pool does; those that stand are left."""
    with connection.transaction():
        stored = insert_readings(connection, readings)
        insert_dirty_hours(
            connection,
            [(device_id, (at - EPOCH) // timedelta(microseconds=1)) for device_id, at in stored],
        )


def insert_readings(
    connection: Connection, readings: Iterable[tuple[Site, Value]]
) -> list[tuple[int, datetime]]:
    """Store readings, and note nothing; device and time of those that were new."""
    rows = [
        (value.at, site.account_id, site.gateway_id, site.device_id, value.value)
        for site, value in readings
    ]
    columns = [list(column) for column in zip(*rows, strict=True)] or [[]] * 5
    stored: Any = connection.execute(INSERT_READINGS, columns).fetchall()
    return list(stored)


def replace_register(connection: Connection, site: Site, change: Replacement) -> None:
    """Enter a change of the meter."""
    meter = change.meter or site.meter
    connection.execute(
        "INSERT INTO installation (device_id, since, old_register, first_register, unit,"
        " measurement, register_modulus, interval_s, factor)"
        " SELECT id, %s, %s, %s, unit, %s, %s, %s, %s FROM device WHERE id = %s",
        [
            change.at, change.old_value, change.new_value, meter.measurement, meter.modulus,
            meter.interval_s, meter.factor, site.device_id,
        ],
    )  # fmt: skip
    if meter.is_net:
        connection.execute(
            "UPDATE installation SET is_net = true WHERE device_id = %s AND since = %s",
            [site.device_id, change.at],
        )


def set_meter(
    connection: Connection, site: Site, meter: Meter, *, since: datetime | None = None
) -> None:
    """Put right how an installation measures, as nothing but SQL can; None: the first one."""
    connection.execute(
        "UPDATE installation SET measurement = %s, register_modulus = %s, interval_s = %s,"
        " factor = %s WHERE device_id = %s AND since IS NOT DISTINCT FROM %s",
        [
            meter.measurement, meter.modulus, meter.interval_s, meter.factor, site.device_id, since,
        ],
    )  # fmt: skip


def read(connection: Connection, statement: str, *arguments: Any) -> list[Any]:
    return connection.execute(statement, arguments).fetchall()


def read_figures(
    connection: Connection, site: Site, *, account_id: int | None = None
) -> dict[str, Any]:
    """What the database says of a device: hours, consumption, days with intervals, months; those of
    one account, where it had several."""
    found: dict[str, Any] = {}
    for name, statement in FIGURES.items():
        rows = read(
            connection, f"{statement} AND account_id = coalesce(%s, account_id)",
            site.device_id, account_id,
        )  # fmt: skip
        found[name] = {row[0]: tuple(row[1:]) for row in rows}
    return found


FIGURES = {
    "hours": "SELECT hour, total, minimum, maximum, first, last, readings_count "
    "FROM hourly_aggregate WHERE device_id = %s",
    "days": "SELECT day, total, estimated, reading_sum, minimum, maximum, first, last,"
    " readings_count, round(intervals_seen, 10) FROM daily_aggregate WHERE device_id = %s",
    "months": "SELECT month, total, estimated, reading_sum, minimum, maximum, first_register,"
    " last_register, readings_count FROM monthly_total WHERE device_id = %s",
    "steps": "SELECT hour, consumption FROM hourly_consumption WHERE device_id = %s"
    " AND (first IS NOT NULL OR steps <> '[]')",
}


def expect_figures(
    site: Site,
    readings: Iterable[Value],
    replacements: Iterable[Replacement] = (),
    *,
    owns: Callable[[datetime], bool] = lambda _at: True,
) -> dict[str, Any]:
    """What the reference says of a device, in the same form. `owns`: whether it was the account's
    at an instant: a reading, and the step that ends there, is the account's of that time."""
    zone = ZoneInfo(site.zone)
    series = sorted(set(readings), key=lambda reading: reading.at)
    meters = install(site.meter, replacements)
    steps = [one for one in measure(series, meters, is_spread=site.is_spread) if owns(one.at)]
    unspread = [one for one in measure(series, meters, is_spread=False) if owns(one.at)]
    series = [one for one in series if owns(one.at)]

    def day_of_instant(at: datetime) -> date:
        return counted_day(at, zone)

    def month_of_instant(at: datetime) -> date:
        return month_of(counted_day(at, zone), site.billing_day)

    days = consume_by(
        steps, day_of_instant,
        bounds=lambda day: (start_of(day, zone), start_of(day + DAY, zone)),
    )  # fmt: skip
    months = consume_by(
        steps, month_of_instant,
        bounds=lambda month: (
            start_of(month, zone), start_of(next_month(month, site.billing_day), zone)
        ),
    )  # fmt: skip
    ends = consume_by(unspread, hour_of, bounds=lambda hour: (hour, hour + HOUR))
    hours = sum_by(series, hour_of)
    instants: dict[date, list[datetime]] = {}
    for reading in series:
        instants.setdefault(day_of_instant(reading.at), []).append(reading.at)
    day_totals, month_totals = sum_by(series, day_of_instant), sum_by(series, month_of_instant)
    joined = _join(days, day_totals)
    counted = {
        day for day in joined if _counts(meters, start_of(day, zone), start_of(day + DAY, zone))
    }
    seen = {day: round(count_intervals(found, meters, zone), 10) for day, found in instants.items()}
    counted_months = {month_of(day, site.billing_day) for day in counted}
    return {
        "hours": {hour: _plain(of) for hour, of in hours.items()},
        "days": {
            day: (of[0] if day in counted else None, *of[1:], seen.get(day, 0))
            for day, of in joined.items()
        },
        "months": {
            month: (of[0] if month in counted_months else None, *of[1:])
            for month, of in _join(months, month_totals).items()
        },
        "steps": {
            hour: (ends[hour].total if hour in ends else 0,)
            for hour in hours.keys() | ends.keys()
            if _counts(meters, hour, hour + HOUR)
        },
    }


def _counts(meters: list[Installation], start: datetime, end: datetime) -> bool:
    return find_installation(meters, start, end).meter.measurement != "gauge"


def _join(
    consumed: dict[date, Consumption], totals: dict[date, Totals]
) -> dict[date, tuple[Any, ...]]:
    joined = {}
    for bucket in consumed.keys() | totals.keys():
        of = consumed.get(bucket, Consumption(Decimal(0), Decimal(0)))
        found = totals.get(bucket)
        joined[bucket] = (
            of.total, of.estimated,
            *(_plain(found) if found else (0, None, None, None, None, 0)),
        )  # fmt: skip
    return joined


def _plain(of: Totals) -> tuple[Any, ...]:
    return (of.reading_sum, of.minimum, of.maximum, of.first, of.last, of.readings_count)
