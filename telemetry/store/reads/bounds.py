"""How much a read may give: the longest periods, the most rows. What reads of pages share."""

from datetime import UTC, date, datetime, timedelta
from typing import Any

import psycopg
from django.db import connection

LONGEST_HOURS = timedelta(days=93)
LONGEST_DAYS = timedelta(days=1_830)
LONGEST_MONTHS = timedelta(days=18_300)
MOST_ROWS = 5_000
"""No answer is longer. Series never reach it, within their longest period."""

_InstantLoader = psycopg.adapters.get_loader(
    psycopg.adapters.types["timestamptz"].oid, psycopg.pq.Format.TEXT
)


class PeriodError(ValueError):
    """The period is not allowed; the text is one line and says which is."""


def fetch_rows(statement: str, parameters: dict[str, Any]) -> list[Any]:
    """The rows of a query, at most `MOST_ROWS`. Instants are in UTC."""
    with connection.cursor() as cursor:
        # Django reads instants in Python: two thirds of the time that a chart's rows took.
        cursor.cursor.adapters.register_loader("timestamptz", _InstantLoader)
        cursor.execute(statement, {"rows": MOST_ROWS, **parameters})
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
