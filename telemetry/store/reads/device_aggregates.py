"""What pages and reports read of one device: its hours, days, months, and what is missing.

Every question names the account first and gets nothing of another one, also of a device that both
had. Periods are half open, [since, until) or [first, until), and bounded; so are rows. What is
answered is as old as the last refresh, silences excepted.
"""

from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import LiteralString

from msgspec import Struct

from telemetry.store.db.sql import Queries
from telemetry.store.reads.bounds import (
    LONGEST_DAYS,
    LONGEST_HOURS,
    LONGEST_MONTHS,
    check_days,
    check_instants,
    fetch_rows,
)


class Sql(Queries):
    series_hours: LiteralString
    series_days: LiteralString
    series_months: LiteralString
    gap_hours: LiteralString
    silences: LiteralString


HOUR = timedelta(hours=1)
LONGEST_GAPS = timedelta(days=366)
LONGEST_SILENCES = timedelta(days=7)
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class Point(Struct, frozen=True):
    """A device in one hour, day or month. All values are in the device's unit.

    `start`: an hour's first instant in UTC; a local day; the first local day of a billing month.
    `total`: consumption, None for gauges. `mean` is that of the readings.
    """

    start: datetime | date
    total: Decimal | None
    mean: Decimal
    minimum: Decimal
    maximum: Decimal
    first: Decimal
    last: Decimal
    readings_count: int


class Gap(Struct, frozen=True):
    """A stretch without readings, [start, end), in UTC."""

    start: datetime
    end: datetime


def read_hours(account_id: int, *, device_id: int, since: datetime, until: datetime) -> list[Point]:
    """The UTC hours with readings that begin in the period (at most 93 days), in order.

    Raises `PeriodError`.
    """
    check_instants(since, until, longest=LONGEST_HOURS)
    parameters = {"account": account_id, "device": device_id, "since": since, "until": until}
    return [Point(*row) for row in fetch_rows(Sql.series_hours, parameters)]


def read_days(account_id: int, *, device_id: int, first: date, until: date) -> list[Point]:
    """The account's local days with readings in the period (at most 1,830 days), in order.

    Days of a closed month are live figures: the closed total may differ from their sum. Raises
    `PeriodError`.
    """
    check_days(first, until, longest=LONGEST_DAYS)
    parameters = {"account": account_id, "device": device_id, "first": first, "until": until}
    return [Point(*row) for row in fetch_rows(Sql.series_days, parameters)]


def read_months(account_id: int, *, device_id: int, first: date, until: date) -> list[Point]:
    """The billing months with readings that begin in the period (at most 18,300 days), in order.

    A closed month has the total that was billed. Raises `PeriodError`.
    """
    check_days(first, until, longest=LONGEST_MONTHS)
    parameters = {"account": account_id, "device": device_id, "first": first, "until": until}
    return [Point(*row) for row in fetch_rows(Sql.series_months, parameters)]


def find_gaps(account_id: int, *, device_id: int, since: datetime, until: datetime) -> list[Gap]:
    """Runs of whole UTC hours inside the period (at most 366 days) without a reading, in order.

    Hours of which only a part is inside do not count. Hours that were not refreshed yet do: give
    an `until` that is not later than the last refresh. No gaps for a device that is not the
    account's. At most `MOST_ROWS`, the earliest. Raises `PeriodError`.
    """
    check_instants(since, until, longest=LONGEST_GAPS)
    begin, end = since.astimezone(UTC), until.astimezone(UTC)
    begin, end = begin + (_EPOCH - begin) % HOUR, end - (end - _EPOCH) % HOUR
    if begin >= end:
        return []
    parameters = {"account": account_id, "device": device_id, "since": begin, "until": end}
    return [Gap(*row) for row in fetch_rows(Sql.gap_hours, parameters)]


def find_silences(
    account_id: int, *, device_id: int, since: datetime, until: datetime, over_s: float
) -> list[Gap]:
    """Stretches of more than `over_s` seconds between readings, in order; from the raw readings.

    `start` and `end` are the readings beside it, or the ends of the period (at most 7 days: raw
    readings are many). Where readings were dropped there is silence. No silences for a device that
    is not the account's. At most `MOST_ROWS`, the earliest. Raises `PeriodError`.
    """
    check_instants(since, until, longest=LONGEST_SILENCES)
    parameters = {"account": account_id, "device": device_id, "since": since, "until": until}
    return [Gap(*row) for row in fetch_rows(Sql.silences, {**parameters, "over_s": over_s})]
