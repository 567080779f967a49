"""The newest reading of each of a page's devices, found by index, however old it is."""

from collections.abc import Collection
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from typing import LiteralString

from msgspec import Struct

from telemetry.store.db.sql import Queries
from telemetry.store.reads.bounds import PeriodError, fetch_rows


class Sql(Queries):
    newest_days: LiteralString
    newest_readings: LiteralString
    newest_times: LiteralString


MOST_DEVICES = 100
RECENT = timedelta(days=2)
MONTH = timedelta(days=31)
AHEAD = timedelta(days=2)
"""Readings may be of the future by a clock's error: by less than this."""
DAY_SHIFT = timedelta(days=1)
"""A local day begins and ends less than this before or after the UTC day of the same date."""


class NewestReading(Struct, frozen=True):
    """A device's reading with the latest time."""

    time: datetime
    value: Decimal
    unit: str


def read_newest(
    account_id: int, *, device_ids: Collection[int], now: datetime
) -> dict[int, NewestReading]:
    """By device id, of those that have readings in the account.

    At most 100 devices: raises `PeriodError`. Readings of before two days ago are found by the
    device's newest day, as of the last refresh.
    """
    devices = sorted(set(device_ids))
    if len(devices) > MOST_DEVICES:
        raise PeriodError(f"device_ids: {len(devices)} devices: expected at most {MOST_DEVICES}")
    latest = _read(account_id, devices, since=now - RECENT, until=now + AHEAD)
    silent = [device_id for device_id in devices if device_id not in latest]
    if silent:
        parameters = {"account": account_id, "device_ids": silent}
        days: dict[int, date] = dict(fetch_rows(Sql.newest_days, parameters))
        if days:
            first, last = min(days.values()), max(days.values()) + timedelta(days=1)
            period = {"since": _start(first) - DAY_SHIFT, "until": _start(last) + DAY_SHIFT}
            latest |= _read(account_id, sorted(days), **period)
    return latest


def read_newest_times(
    account_id: int, *, device_id: int, until: datetime, most: int = 30
) -> list[datetime]:
    """When the newest readings of a device up to an instant were taken, at most a month before; in
    order of time."""
    parameters = {
        "account": account_id, "device": device_id, "since": until - MONTH, "until": until,
    }  # fmt: skip
    rows = fetch_rows(Sql.newest_times, {**parameters, "rows": most})
    return [at for (at,) in reversed(rows)]


def _read(
    account_id: int, device_ids: list[int], *, since: datetime, until: datetime
) -> dict[int, NewestReading]:
    parameters = {"account": account_id, "device_ids": device_ids, "since": since, "until": until}
    rows = fetch_rows(Sql.newest_readings, parameters)
    return {device_id: NewestReading(*reading) for device_id, *reading in rows}


def _start(day: date) -> datetime:
    return datetime.combine(day, time(), UTC)
