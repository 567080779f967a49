"""Compute findings of what changed since the last run (README.md beside this).

One evaluation at a time, outside ingestion. Each step is a transaction that claims changed hours,
looks at their devices around them, and writes what the rules say: new findings, changed ones, and
those that are gone. Decisions are never touched. A device costs at least the weeks around one hour:
so a step claims the hours of some days, and holds those of a few devices in memory.
"""

from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any, LiteralString

import msgspec
from msgspec import Struct
from msgspec.structs import replace

from telemetry.core.findings import (
    HOUR,
    Found,
    HourRow,
    LateReading,
    find_baseline,
    find_late,
    find_negative,
    find_silences,
    find_standstills,
    find_too_fast,
)
from telemetry.core.multiples import find_multiples, list_crowded_hours
from telemetry.store.db.connection import Connection
from telemetry.store.db.locks import Lock, hold_lock
from telemetry.store.db.sql import Queries
from telemetry.store.findings.balances import evaluate_balances
from telemetry.store.findings.inputs import (
    CONTEXT,
    Device,
    find_reading,
    find_register_cases,
    find_repeated_deltas,
    have_neighbours_counted,
    list_uneven,
    read_devices,
    read_hours,
    read_late,
)


class Sql(Queries):
    list_changed: LiteralString
    create_looked_at: LiteralString
    index_looked_at: LiteralString
    claim_changed: LiteralString
    add_silent_devices: LiteralString
    write_findings: LiteralString
    end_findings: LiteralString


ROWS_A_STEP = 2_000
DEVICE_HOURS_A_STEP = 1_000_000
DEVICES_AT_ONCE = 30


class Evaluated(Struct):
    """What a run did: hours of devices looked at; findings that are new or changed, and gone."""

    hours: int = 0
    devices: int = 0
    found: int = 0
    gone: int = 0


class EvaluationBusyError(Exception):
    """Another evaluation is under way."""


class _Seen(Struct, frozen=True):
    """What is stored of a device around its period. `uneven`: hours in which its register did not
    simply rise."""

    rows: list[HourRow]
    late: list[LateReading]
    uneven: list[datetime]

    def within(self, device: Device) -> list[HourRow]:
        """The hours of the period, and the one before."""
        first = sum(row.hour < device.since for row in self.rows)
        return [row for row in self.rows[max(0, first - 1) :] if row.hour < device.until]


def evaluate_findings(connection: Connection, *, now: datetime) -> Evaluated:
    """Look at every hour that changed and is over, and at devices that fell silent.

    Raises `EvaluationBusyError` or `psycopg.Error`; repeating it is safe.
    """
    done = Evaluated()
    with hold_lock(connection, Lock.FINDINGS, busy=EvaluationBusyError):
        while _evaluate_step(connection, done, now=now):
            pass
        evaluate_balances(connection, now=now)
    return done


def _evaluate_step(connection: Connection, done: Evaluated, *, now: datetime) -> bool:
    """One step; whether there is more to do."""
    with connection.transaction():
        bounds = {
            "before": now - HOUR, "rows": ROWS_A_STEP, "device_hours": DEVICE_HOURS_A_STEP,
            "span": CONTEXT,
        }  # fmt: skip
        row: Any = connection.execute(Sql.list_changed, bounds).fetchone()
        ids, is_more = row
        connection.execute(Sql.create_looked_at)
        done.hours += connection.execute(Sql.claim_changed, {"ids": ids}).rowcount
        if not is_more:
            connection.execute(Sql.add_silent_devices, {"now": now})
        connection.execute(Sql.index_looked_at)
        devices = read_devices(connection, now=now)
        for start in range(0, len(devices), DEVICES_AT_ONCE):
            _look_at(connection, devices[start : start + DEVICES_AT_ONCE], done, now=now)
        done.devices += len(devices)
    return bool(is_more)


def _look_at(
    connection: Connection, devices: Sequence[Device], done: Evaluated, *, now: datetime
) -> None:
    hours, uneven = read_hours(connection, devices), list_uneven(connection, devices)
    late = read_late(connection, devices)
    for device in devices:
        key = device.id
        seen = _Seen(hours.get(key, []), late.get(key, []), uneven.get(key, []))
        rows = seen.within(device)
        found = _find(connection, device, seen, now=now)
        since = min(device.since, rows[0].end) if rows else device.since
        _write(connection, device, found, done, since=since, now=now)


def _find(connection: Connection, device: Device, seen: _Seen, *, now: datetime) -> list[Found]:
    """What all rules say of a device in its period."""
    rows = seen.within(device)
    baseline = find_baseline(device.interval_s)
    silent_at = now if device.is_sending and device.until >= now else None
    found = find_silences(rows, interval_s=device.interval_s, now=silent_at)
    found += find_late(seen.late, usual=_usual_interval(device, rows))
    if device.measurement != "gauge":
        found += [
            one
            for one in find_standstills(rows, is_register=device.measurement == "cumulative")
            if have_neighbours_counted(connection, device, since=one.since, until=one.until or now)
        ]
        fast = find_too_fast(seen.rows, meters=device.meters, baseline=baseline)
        found += _locate(connection, device, fast)
    if device.measurement == "cumulative":
        found += find_register_cases(connection, device, seen.uneven)
    if device.measurement == "delta":
        found += find_negative(rows, meters=device.meters)
        found += _locate(connection, device, find_multiples(seen.rows, baseline=baseline))
        crowded = list_crowded_hours(rows, interval_s=device.interval_s)
        found += find_repeated_deltas(connection, device, crowded)
    return found


def _usual_interval(device: Device, rows: list[HourRow]) -> timedelta:
    """Between two readings: as the device says, or as there are readings."""
    if device.interval_s is not None or not rows:
        return timedelta(seconds=device.interval_s or 1)
    count = sum(row.readings_count for row in rows)
    return max(timedelta(seconds=1), (rows[-1].end - rows[0].hour) / max(1, count))


def _locate(connection: Connection, device: Device, found: Iterable[Found]) -> list[Found]:
    """Findings of hours in the device's period, with the reading that somebody should look at."""
    return [
        _name_reading(connection, device, one)
        for one in found
        if device.since <= one.since < device.until
    ]


def _name_reading(connection: Connection, device: Device, one: Found) -> Found:
    value = Decimal(one.evidence["value"]) if "value" in one.evidence else None
    end = one.since + HOUR
    reading = find_reading(connection, device, start=one.since, end=end, value=value)
    if reading is None:
        return one
    at = reading.at.isoformat()
    seen = {"value": str(reading.value), "first": at, "last_at": at}
    return replace(one, evidence={**one.evidence, **seen})


def _write(
    connection: Connection,
    device: Device,
    found: Iterable[Found],
    done: Evaluated,
    *,
    since: datetime,
    now: datetime,
) -> None:
    """Write what was found, and end what is not found any more."""
    rows = list({(one.rule, one.since): one for one in found}.values())
    parameters = {
        "device": device.id,
        "account": device.account_id,
        "since": since,
        "until": device.until,
        "now": now,
        "rules": [one.rule for one in rows],
        "sinces": [one.since for one in rows],
        "untils": [one.until for one in rows],
        "evidences": [msgspec.json.encode(one.evidence).decode() for one in rows],
    }
    if rows:
        done.found += connection.execute(Sql.write_findings, parameters).rowcount
    done.gone += connection.execute(Sql.end_findings, parameters).rowcount
