"""What charts draw: series of several devices, or of one device down to its single readings.

A series is the samples of a device in order of time; a sample is a minute, an hour or a day of it.
`read_device_chart` in `telemetry/web/charts/chart.py` chooses among these for the page of a device,
`read_chart` beside it for the other pages.

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
    hour_series: LiteralString
    day_series: LiteralString
    minutes: LiteralString
    single_readings: LiteralString


MOST_SERIES = 12
LONGEST_RAW = timedelta(hours=25)
"""A local day, also where clocks go back."""
MOST_READINGS = 2_000
_MOST_ROWS = MOST_SERIES * LONGEST_HOURS // timedelta(hours=1)


class Sample(Struct, frozen=True):
    """A device in one minute, hour or day, in its unit.

    `start`: the first instant, in UTC; a local day. `total`: consumption, None for gauges (and for
    the minutes of registers); `estimated`: what of it comes from gaps. `reading_sum` over
    `readings_count` is the mean of the readings; without readings there is none, and no least, most
    and last.
    """

    start: datetime | date
    total: Decimal | None
    estimated: Decimal
    reading_sum: Decimal
    minimum: Decimal | None
    maximum: Decimal | None
    last: Decimal | None
    readings_count: int


SeriesByDevice = dict[int, list[Sample]]
"""The series of each device by its id. A device without samples is missing."""


def read_hour_series(
    account_id: int, *, device_ids: Sequence[int], since: datetime, until: datetime
) -> SeriesByDevice:
    """The UTC hours that begin in the period (at most 93 days), of at most 12 devices.

    Raises `PeriodError`.
    """
    check_instants(since, until, longest=LONGEST_HOURS)
    return _read_series(Sql.hour_series, account_id, device_ids, since, until)


def read_day_series(
    account_id: int, *, device_ids: Sequence[int], first: date, until: date
) -> SeriesByDevice:
    """The account's local days in the period (at most 1,830 days), of at most 12 devices.

    Raises `PeriodError`.
    """
    check_days(first, until, longest=LONGEST_DAYS)
    return _read_series(Sql.day_series, account_id, device_ids, first, until)


def read_minutes(
    account_id: int, *, device_id: int, since: datetime, until: datetime
) -> list[Sample]:
    """Minutes with readings (at most 25 hours), from the raw readings. Raises `PeriodError`."""
    check_instants(since, until, longest=LONGEST_RAW)
    parameters = {"account": account_id, "device": device_id, "since": since, "until": until}
    return [Sample(*row) for row in fetch_rows(Sql.minutes, parameters)]


def read_single_readings(
    account_id: int, *, device_id: int, since: datetime, until: datetime
) -> list[tuple[datetime, Decimal]]:
    """Single readings (at most 25 hours), in order; more than `MOST_READINGS` when there are more.

    Raises `PeriodError`.
    """
    check_instants(since, until, longest=LONGEST_RAW)
    parameters = {"account": account_id, "device": device_id, "since": since, "until": until}
    return fetch_rows(Sql.single_readings, {**parameters, "rows": MOST_READINGS + 1})


def _read_series(
    statement: str, account_id: int, device_ids: Sequence[int], since: Any, until: Any
) -> SeriesByDevice:
    if len(device_ids) > MOST_SERIES:
        raise PeriodError(f"device_ids: {len(device_ids)} devices: expected at most {MOST_SERIES}")
    series: SeriesByDevice = defaultdict(list)
    parameters = {
        "account": account_id,
        "devices": list(device_ids),
        "since": since,
        "until": until,
    }
    for device_id, *sample in fetch_rows(statement, {**parameters, "rows": _MOST_ROWS}):
        series[device_id].append(Sample(*sample))
    return dict(series)
