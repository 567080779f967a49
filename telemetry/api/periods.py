"""The period that a request means: what it leaves out, and what is too long."""

from datetime import date, datetime, timedelta
from zoneinfo import ZoneInfo

from django.utils import timezone

from telemetry.api.problems import ParameterError

AHEAD = timedelta(minutes=5)
"""Clocks of gateways run ahead: the newest readings may be of the next minutes."""
DAY = timedelta(days=1)


def choose_instants(
    since: datetime | None, until: datetime | None, *, usual: timedelta, longest: timedelta
) -> tuple[datetime, datetime]:
    """[since, until): up to now, and as long as usual. Raises `ParameterError`."""
    until = until or timezone.now() + AHEAD
    since = since or until - usual
    _check(since, until, name="since", longest=longest)
    return since, until


def choose_days(
    first: date | None, until: date | None, *, zone: str, usual: timedelta, longest: timedelta
) -> tuple[date, date]:
    """[first, until): up to today in the account's zone, and as long as usual.

    Raises `ParameterError`.
    """
    until = until or timezone.localdate(timezone=ZoneInfo(zone)) + DAY
    first = first or until - usual
    _check(first, until, name="first", longest=longest)
    return first, until


def _check(start: date, end: date, *, name: str, longest: timedelta) -> None:
    if start >= end:
        raise ParameterError("until", f"expected later than {name}")
    if end - start > longest:
        raise ParameterError(name, f"expected at most {longest.days} days before until")
