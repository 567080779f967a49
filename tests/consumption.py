"""Meters, readings and what they must come to, made for tests."""

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from itertools import count
from typing import Any
from zoneinfo import ZoneInfo

from msgspec import Struct

from telemetry.core.consumption import (
    Meter,
    Replacement,
    Step,
    Totals,
    Value,
    count_intervals,
    counted_day,
    hour_of,
    measure,
    month_of,
    sum_by,
)
from telemetry.core.reading import Key
from telemetry.store.db.connection import Connection
from telemetry.store.ingest.ledger import insert_dirty_hours

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_numbers = count(1)


class Site(Struct, frozen=True):
    """A registered device with what its consumption depends on."""

    device_id: int
    account_id: int
    gateway_id: int
    zone: str
    billing_day: int
    meter: Meter


def register(
    connection: Connection,
    meter: Meter,
    *,
    zone: str = "UTC",
    billing_day: int = 1,
    beside: Site | None = None,
) -> Site:
    """Register a device: in an account of its own, or beside another one."""
    number = next(_numbers)
    if beside is None:
        account_id = _insert(
            connection, "account", name=f"A{number}", time_zone=zone, billing_day=billing_day,
            is_active=True,
        )  # fmt: skip
    else:
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
    return Site(device_id, account_id, gateway_id, zone, billing_day, meter)


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
        keys: list[Key] = []
        for site, value in readings:
            stored = connection.execute(
                "INSERT INTO reading (time, received_at, account_id, gateway_id, device_id, value,"
                " unit) VALUES (%s, now(), %s, %s, %s, %s, '') ON CONFLICT DO NOTHING",
                [value.at, site.account_id, site.gateway_id, site.device_id, value.value],
            ).rowcount
            if stored:
                keys.append((site.device_id, (value.at - EPOCH) // timedelta(microseconds=1)))
        insert_dirty_hours(connection, keys)


def replace_register(connection: Connection, site: Site, replacement: Replacement) -> None:
    """Enter a replacement."""
    connection.execute(
        "INSERT INTO meter_replacement (device_id, at, old_value, new_value)"
        " VALUES (%s, %s, %s, %s)",
        [site.device_id, replacement.at, replacement.old_value, replacement.new_value],
    )


def read(connection: Connection, statement: str, *arguments: Any) -> list[Any]:
    return connection.execute(statement, arguments).fetchall()


def read_figures(connection: Connection, site: Site) -> dict[str, Any]:
    """What the database says of a device: hours, consumption, days with intervals, months."""
    found: dict[str, Any] = {}
    for name, statement in FIGURES.items():
        rows = read(connection, statement, site.device_id)
        found[name] = {row[0]: tuple(row[1:]) for row in rows}
    return found


FIGURES = {
    "hours": "SELECT hour, total, minimum, maximum, first, last, readings_count "
    "FROM hourly_aggregate WHERE device_id = %s",
    "days": "SELECT day, total, reading_sum, minimum, maximum, first, last, readings_count,"
    " intervals_seen FROM daily_aggregate WHERE device_id = %s",
    "months": "SELECT month, total, reading_sum, minimum, maximum, first_register, last_register,"
    " readings_count FROM monthly_total WHERE device_id = %s",
    "registers": "SELECT hour, consumption FROM hourly_consumption WHERE device_id = %s",
}


def expect_figures(
    site: Site, readings: Iterable[Value], replacements: Iterable[Replacement] = ()
) -> dict[str, Any]:
    """What the reference says of a device, in the same form."""
    zone = ZoneInfo(site.zone)
    steps = measure(readings, site.meter, replacements=replacements)
    hours = sum_by(steps, hour_of)
    days = sum_by(steps, lambda at: counted_day(at, zone))
    return {
        "hours": {hour: _plain(of)[1:] for hour, of in hours.items()},
        "days": {day: (*_plain(of), _seen(steps, day, site)) for day, of in days.items()},
        "months": {
            month: _plain(of)
            for month, of in sum_by(
                steps, lambda at: month_of(counted_day(at, zone), site.billing_day)
            ).items()
        },
        "registers": {hour: (of.total,) for hour, of in hours.items()}
        if site.meter.measurement == "cumulative"
        else {},
    }


def _plain(of: Totals) -> tuple[Any, ...]:
    return (
        of.total, of.reading_sum, of.minimum, of.maximum, of.first, of.last, of.readings_count,
    )  # fmt: skip


def _seen(steps: list[Step], day: Any, site: Site) -> Decimal:
    zone = ZoneInfo(site.zone)
    instants = [step.at for step in steps if counted_day(step.at, zone) == day]
    return count_intervals(instants, site.meter, zone)
