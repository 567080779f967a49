"""What pages and reports read of one device: its hours, days, months, and what is missing.

Every question names the account first and gets nothing of another one, also of a device that both
had. Periods are half open, [since, until) or [first, until), and bounded; so are rows. What is
answered is as old as the last refresh, silences excepted.
"""

from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any, LiteralString

import psycopg
from django.db import connection
from msgspec import Struct

from telemetry.store.db.sql import Queries


class Sql(Queries):
    series_hours: LiteralString
    series_days: LiteralString
    series_months: LiteralString
    gap_hours: LiteralString
    silences: LiteralString


HOUR = timedelta(hours=1)
LONGEST_HOURS = timedelta(days=93)
LONGEST_DAYS = timedelta(days=1_830)
LONGEST_MONTHS = timedelta(days=18_300)
LONGEST_GAPS = timedelta(days=366)
LONGEST_SILENCES = timedelta(days=7)
MOST_ROWS = 5_000
"""No answer is longer. Series never reach it, within their longest period."""

_InstantLoader = psycopg.adapters.get_loader(
    psycopg.adapters.types["timestamptz"].oid, psycopg.pq.Format.TEXT
)
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class PeriodError(ValueError):
    """The period cannot be asked for; the text is one line and says which can."""


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
    given = {"account": account_id, "device": device_id, "since": since, "until": until}
    return [Point(*row) for row in fetch_rows(Sql.series_hours, given)]


def read_days(account_id: int, *, device_id: int, first: date, until: date) -> list[Point]:
    """The account's local days with readings in the period (at most 1,830 days), in order.

    Days of a closed month are live figures: the closed total may differ from their sum. Raises
    `PeriodError`.
    """
    check_days(first, until, longest=LONGEST_DAYS)
    given = {"account": account_id, "device": device_id, "first": first, "until": until}
    return [Point(*row) for row in fetch_rows(Sql.series_days, given)]


def read_months(account_id: int, *, device_id: int, first: date, until: date) -> list[Point]:
    """The billing months with readings that begin in the period (at most 18,300 days), in order.

    A closed month has the total that was billed. Raises `PeriodError`.
    """
    check_days(first, until, longest=LONGEST_MONTHS)
    given = {"account": account_id, "device": device_id, "first": first, "until": until}
    return [Point(*row) for row in fetch_rows(Sql.series_months, given)]


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
    given = {"account": account_id, "device": device_id, "since": begin, "until": end}
    return [Gap(*row) for row in fetch_rows(Sql.gap_hours, given)]


def find_silences(
    account_id: int, *, device_id: int, since: datetime, until: datetime, over_s: float
) -> list[Gap]:
    """Stretches of more than `over_s` seconds between readings, in order; from the raw readings.

    `start` and `end` are the readings beside it, or the ends of the period (at most 7 days: raw
    readings are many). Where readings were dropped there is silence. No silences for a device that
    is not the account's. At most `MOST_ROWS`, the earliest. Raises `PeriodError`.
    """
    check_instants(since, until, longest=LONGEST_SILENCES)
    given = {"account": account_id, "device": device_id, "since": since, "until": until}
    return [Gap(*row) for row in fetch_rows(Sql.silences, {**given, "over_s": over_s})]


def fetch_rows(statement: str, given: dict[str, Any]) -> list[Any]:
    """The rows of a query, at most `MOST_ROWS`. Instants are in UTC."""
    with connection.cursor() as cursor:
        # Django reads instants in Python: two thirds of the time that a chart's rows took.
        cursor.cursor.adapters.register_loader("timestamptz", _InstantLoader)
        cursor.execute(statement, {"rows": MOST_ROWS, **given})
        return list(cursor.fetchall())


def check_instants(since: datetime, until: datetime, *, longest: timedelta) -> None:
    """Raise `PeriodError` unless both are aware, in order and at most `longest` apart."""
    for instant in (since, until):
        if instant.utcoffset() is None:
            raise PeriodError(f"period: {instant} has no time zone: expected one")
    _check(since.astimezone(UTC), until.astimezone(UTC), longest=longest)


def check_days(first: date, until: date, *, longest: timedelta) -> None:
    """Raise `PeriodError` unless the days are in order and at most `longest` apart."""
    _check(first, until, longest=longest)


def _check(start: Any, end: Any, *, longest: timedelta) -> None:
    if end <= start:
        raise PeriodError(f"period: {start} to {end} is empty: expected an end after the start")
    if end - start > longest:
        raise PeriodError(
            f"period: {start} to {end} is too long: expected at most {longest.days} days"
        )
