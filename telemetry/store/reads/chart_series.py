"""What charts draw: several devices over one period, or one device down to its single readings.

Every query names the account first and reads nothing of another one. Periods are half open, and
they and rows are bounded (`bounds.py`). All but minutes and readings are as of the last refresh.
"""

from collections import defaultdict
from collections.abc import Sequence
from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import Any, LiteralString

from msgspec import Struct

from telemetry.store.db.sql import Queries
from telemetry.store.reads.bounds import (
    LONGEST_DAYS,
    LONGEST_HOURS,
    PeriodError,
    check_days,
    check_instants,
    fetch_rows,
)


class Sql(Queries):
    line_hours: LiteralString
    line_days: LiteralString
    line_minutes: LiteralString
    line_readings: LiteralString


MOST_LINES = 12
LONGEST_RAW = timedelta(hours=25)
"""A local day, also where clocks go back."""
MOST_READINGS = 2_000
_MOST_ROWS = MOST_LINES * LONGEST_HOURS // timedelta(hours=1)


class Sample(Struct, frozen=True):
    """A device in one minute, hour or day, in its unit.

    `start`: the first instant, in UTC; a local day. `total`: consumption, None for gauges (and for
    the minutes of registers). `reading_sum` over `readings_count` is the mean of the readings.
    """

    start: datetime | date
    total: Decimal | None
    reading_sum: Decimal
    minimum: Decimal
    maximum: Decimal
    last: Decimal
    readings_count: int


Lines = dict[int, list[Sample]]
"""Samples in order of time, by device id; a device without any is missing."""


def read_line_hours(
    account_id: int, *, device_ids: Sequence[int], since: datetime, until: datetime
) -> Lines:
    """The UTC hours that begin in the period (at most 93 days), of at most 12 devices.

    Raises `PeriodError`.
    """
    check_instants(since, until, longest=LONGEST_HOURS)
    return _read_lines(Sql.line_hours, account_id, device_ids, since, until)


def read_line_days(
    account_id: int, *, device_ids: Sequence[int], first: date, until: date
) -> Lines:
    """The account's local days in the period (at most 1,830 days), of at most 12 devices.

    Raises `PeriodError`.
    """
    check_days(first, until, longest=LONGEST_DAYS)
    return _read_lines(Sql.line_days, account_id, device_ids, first, until)


def read_line_minutes(
    account_id: int, *, device_id: int, since: datetime, until: datetime
) -> list[Sample]:
    """Minutes with readings (at most 25 hours), from the raw readings. Raises `PeriodError`."""
    check_instants(since, until, longest=LONGEST_RAW)
    parameters = {"account": account_id, "device": device_id, "since": since, "until": until}
    return [Sample(*row) for row in fetch_rows(Sql.line_minutes, parameters)]


def read_line_readings(
    account_id: int, *, device_id: int, since: datetime, until: datetime
) -> list[tuple[datetime, Decimal]]:
    """Single readings (at most 25 hours), in order; more than `MOST_READINGS` when there are more.

    Raises `PeriodError`.
    """
    check_instants(since, until, longest=LONGEST_RAW)
    parameters = {"account": account_id, "device": device_id, "since": since, "until": until}
    return fetch_rows(Sql.line_readings, {**parameters, "rows": MOST_READINGS + 1})


def _read_lines(
    statement: str, account_id: int, device_ids: Sequence[int], since: Any, until: Any
) -> Lines:
    if len(device_ids) > MOST_LINES:
        raise PeriodError(f"device_ids: {len(device_ids)} devices: expected at most {MOST_LINES}")
    lines: Lines = defaultdict(list)
    parameters = {
        "account": account_id,
        "devices": list(device_ids),
        "since": since,
        "until": until,
    }
    for device_id, *sample in fetch_rows(statement, {**parameters, "rows": _MOST_ROWS}):
        lines[device_id].append(Sample(*sample))
    return dict(lines)
