"""Compute findings of what changed since the last run (README.md beside this).

One evaluation at a time, outside ingestion. Each step is a transaction that claims changed hours of
some devices, looks at these devices around them, and writes what the rules say: new findings,
changed ones, and those that are gone. Decisions are never touched.
"""

from collections.abc import Iterable
from datetime import datetime, timedelta
from itertools import groupby
from operator import itemgetter
from typing import Any, LiteralString

import msgspec
from msgspec import Struct
from msgspec.structs import replace

from telemetry.core.findings import (
    Found,
    HourRow,
    LateReading,
    find_cases,
    find_late,
    find_negative,
    find_silences,
    find_standstills,
    find_too_fast,
)
from telemetry.core.installations import measure_stretch, split_stretches
from telemetry.core.registers import Value
from telemetry.store.db.connection import Connection
from telemetry.store.db.locks import Lock, hold_lock
from telemetry.store.db.sql import Queries
from telemetry.store.installations.meters import list_meters


class Sql(Queries):
    list_changed: LiteralString
    claim_changed: LiteralString
    add_silent_devices: LiteralString
    read_devices: LiteralString
    read_hours: LiteralString
    largest_reading: LiteralString
    list_uneven: LiteralString
    read_values: LiteralString
    list_days: LiteralString
    read_late: LiteralString
    neighbours_counted: LiteralString
    write_findings: LiteralString
    end_findings: LiteralString


ROWS_A_STEP = 2_000
DEVICE_HOURS_A_STEP = 20_000
CONTEXT = timedelta(days=8)
"""What the rules look at before and after a change."""
MOST_LATE = 50_000
MOST_VALUES = 20_000
DAY = timedelta(days=1)
"""What of a register is counted again on either side of an hour in which it did not simply rise."""
HOUR = timedelta(hours=1)


class Evaluated(Struct):
    """What a run did: hours of devices looked at; findings that are new or changed, and gone."""

    hours: int = 0
    devices: int = 0
    found: int = 0
    gone: int = 0


class EvaluationBusyError(Exception):
    """Another evaluation is under way."""


class _Device(Struct, frozen=True):
    """A device, and from when on to when the rules look at it. `is_sending`: it should send."""

    id: int
    account_id: int
    measurement: str
    interval_s: int | None
    is_sending: bool
    since: datetime
    until: datetime


def evaluate_findings(connection: Connection, *, now: datetime) -> Evaluated:
    """Look at every hour that changed and is over, and at devices that fell silent.

    Raises `EvaluationBusyError` or `psycopg.Error`; repeating it is safe.
    """
    done = Evaluated()
    with hold_lock(connection, Lock.FINDINGS, busy=EvaluationBusyError):
        while _evaluate_step(connection, done, now=now):
            pass
    return done


def _evaluate_step(connection: Connection, done: Evaluated, *, now: datetime) -> bool:
    """One step; whether there is more to do."""
    with connection.transaction():
        bounds = {"before": now - HOUR, "rows": ROWS_A_STEP, "device_hours": DEVICE_HOURS_A_STEP}
        row: Any = connection.execute(Sql.list_changed, bounds).fetchone()
        ids, is_more = row
        connection.execute(
            "CREATE TEMPORARY TABLE looked_at (device_id bigint, hour timestamptz) ON COMMIT DROP"
        )
        done.hours += connection.execute(Sql.claim_changed, {"ids": ids}).rowcount
        if not is_more:
            connection.execute(Sql.add_silent_devices, {"now": now})
        listed: Any = connection.execute(Sql.read_devices, {"context": CONTEXT, "now": now})
        devices = [_Device(*one) for one in listed.fetchall()]
        hours = _read_hours(connection, devices)
        late = _read_late(connection)
        uneven = _list_uneven(connection, devices)
        for device in devices:
            rows = hours.get(device.id, [])
            found = _find(device, rows, late.get(device.id, []), now=now)
            found += _find_cases(connection, device, uneven.get(device.id, []))
            found = [
                _locate(connection, device, one)
                for one in found
                if _is_confirmed(connection, device, one, now=now)
            ]
            since = min(device.since, rows[0].hour) if rows else device.since
            _write(connection, device, found, done, since=since, now=now)
        done.devices += len(devices)
    return bool(is_more)


def _find(
    device: _Device, rows: list[HourRow], late: list[LateReading], *, now: datetime
) -> list[Found]:
    """What all rules say of a device in its period."""
    silent_at = now if device.is_sending and device.until >= now else None
    found = find_silences(rows, interval_s=device.interval_s, now=silent_at)
    if device.measurement != "gauge":
        found += find_standstills(rows, is_register=device.measurement == "cumulative")
        found += find_too_fast(rows)
    if device.measurement == "delta":
        found += find_negative(rows)
    if rows:
        count = sum(row.readings_count for row in rows)
        usual = (rows[-1].end - rows[0].hour) / max(1, count)
        if device.interval_s is not None:
            usual = timedelta(seconds=device.interval_s)
        found += find_late(late, usual=max(usual, timedelta(seconds=1)))
    return found


def _read_hours(connection: Connection, devices: list[_Device]) -> dict[int, list[HourRow]]:
    parameters = {
        "device_ids": [device.id for device in devices],
        "account_ids": [device.account_id for device in devices],
        "measurements": [device.measurement for device in devices],
        "sinces": [device.since for device in devices],
        "untils": [device.until for device in devices],
    }
    rows: Any = connection.execute(Sql.read_hours, parameters)
    return {
        device_id: [HourRow(*values) for _, *values in of]
        for device_id, of in groupby(rows, key=itemgetter(0))
    }


def _list_uneven(connection: Connection, devices: list[_Device]) -> dict[int, list[datetime]]:
    """Hours in which registers did not simply rise, by device."""
    registers = [device for device in devices if device.measurement == "cumulative"]
    parameters = {
        "device_ids": [device.id for device in registers],
        "account_ids": [device.account_id for device in registers],
        "sinces": [device.since for device in registers],
        "untils": [device.until for device in registers],
    }
    rows: Any = connection.execute(Sql.list_uneven, parameters).fetchall()
    return dict(rows)


def _find_cases(connection: Connection, device: _Device, hours: list[datetime]) -> list[Found]:
    """Dips, spikes and resets around these hours (sorted)."""
    spans: list[list[datetime]] = []
    for hour in hours:
        if spans and hour - DAY <= spans[-1][1]:
            spans[-1][1] = hour + HOUR + DAY
        else:
            spans.append([hour - DAY, hour + HOUR + DAY])
    found: dict[tuple[str, datetime], Found] = {}
    for start, end in spans:
        bounds = {"device": device.id, "account": device.account_id, "start": start, "end": end}
        values: Any = connection.execute(
            Sql.read_values, {**bounds, "most": MOST_VALUES}, prepare=False
        ).fetchall()
        readings = [Value(at, value) for at, value in values]
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


def _read_late(connection: Connection) -> dict[int, list[LateReading]]:
    """Late readings of the UTC days in which one of the changed hours has some."""
    found: dict[int, list[LateReading]] = {}
    days: Any = connection.execute(Sql.list_days).fetchall()
    for (day,) in days:
        # Constant bounds: a statement opens the chunk of one day, and of the one after it.
        bounds = {"start": day, "end": day + timedelta(days=1), "most": MOST_LATE}
        rows: Any = connection.execute(Sql.read_late, bounds, prepare=False).fetchall()
        for device_id, *values in rows:
            found.setdefault(device_id, []).append(LateReading(*values))
    return found


def _is_confirmed(connection: Connection, device: _Device, one: Found, *, now: datetime) -> bool:
    """Whether neighbours counted while the device stood; of other rules always."""
    if one.rule != "stuck":
        return True
    parameters = {
        "device": device.id,
        "account": device.account_id,
        "since": one.since,
        "until": one.until or now,
    }
    row: Any = connection.execute(Sql.neighbours_counted, parameters).fetchone()
    return bool(row[0])


def _locate(connection: Connection, device: _Device, one: Found) -> Found:
    """With the reading that somebody should look at, where the finding is of an hour."""
    if one.rule != "too_fast" or one.until is None:
        return one
    bounds = {"device": device.id, "account": device.account_id}
    row: Any = connection.execute(
        Sql.largest_reading, {**bounds, "start": one.since, "end": one.until}, prepare=False
    ).fetchone()
    if row is None:
        return one
    at = row[0].isoformat()
    return replace(one, evidence={**one.evidence, "value": str(row[1]), "first": at, "last_at": at})


def _write(
    connection: Connection,
    device: _Device,
    found: Iterable[Found],
    done: Evaluated,
    *,
    since: datetime,
    now: datetime,
) -> None:
    """Write what was found, and end what is not found any more."""
    rows = list(found)
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
