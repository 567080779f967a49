"""The stretch of time that a page shows, from the address. Pure: no database, no clock.

What cannot be understood gets a message at its field, and the page shows its usual period.
"""

from collections.abc import Mapping
from datetime import UTC, date, datetime, timedelta
from enum import StrEnum

from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _
from msgspec import Struct

from telemetry.store.reads.chart_series import LONGEST_RAW
from telemetry.web.charts.calendar import DAY, HOUR, Calendar, ceil_hour, floor_hour

EARLIEST, LATEST = date(2000, 1, 1), date(2099, 12, 31)
LONGEST_HOURLY = timedelta(days=8, hours=1)
"""Up to here a chart has hours, beyond it local days."""
SHORTEST = timedelta(minutes=1)


class Span(StrEnum):
    """How a period was chosen."""

    DAY = "24h"
    WEEK = "7d"
    DAYS = "30d"
    MONTH = "month"
    RANGE = "range"
    ZOOM = "zoom"


USUAL = Span.MONTH


class Period(Struct, frozen=True):
    """[since, until) in UTC, and the local days that it touches: [first, end).

    `query` names it in an address: parsed again at the same instant it gives the same period.
    """

    span: Span
    since: datetime
    until: datetime
    first: date
    end: date
    query: dict[str, str]

    @property
    def is_hourly(self) -> bool:
        """Whether it is short enough for hours."""
        return self.until - self.since <= LONGEST_HOURLY


Errors = dict[str, Promise | str]
"""Messages by the name of the field."""


class FieldError(ValueError):
    """A field cannot be understood."""

    def __init__(self, field: str, message: Promise | str) -> None:
        super().__init__(field)
        self.field, self.message = field, message


def parse_period(
    params: Mapping[str, str], *, calendar: Calendar, now: datetime, longest: timedelta
) -> tuple[Period, Errors]:
    """The period that the parameters name, at most `longest`; the usual one beside messages."""
    try:
        return _parse(params, calendar=calendar, now=now, longest=longest), {}
    except FieldError as error:
        period = _rolling(USUAL, calendar=calendar, now=now)
        return period, {error.field: error.message}


def make_days(span: Span, first: date, end: date, *, calendar: Calendar, **query: str) -> Period:
    """The local days [first, end)."""
    since, until = calendar.start_of(first), calendar.start_of(end)
    return Period(span, since, until, first, end, {"period": span, **query})


def make_zoom(since: datetime, until: datetime, *, calendar: Calendar) -> Period:
    """From instant to instant; beyond a day to whole hours, beyond what has hours to whole days."""
    if ceil_hour(until) - floor_hour(since) > LONGEST_HOURLY:
        since = calendar.start_of(calendar.day_of(since))
        until = calendar.start_of(_end_of(until, calendar))
    elif until - since > LONGEST_RAW:
        since, until = floor_hour(since), ceil_hour(until)
    query = {"period": str(Span.ZOOM), "since": _write(since), "until": _write(until)}
    first, end = calendar.day_of(since), _end_of(until, calendar)
    return Period(Span.ZOOM, since, until, first, end, query)


def _parse(
    params: Mapping[str, str], *, calendar: Calendar, now: datetime, longest: timedelta
) -> Period:
    text = params.get("period", "")
    if not text:
        text = Span.RANGE if params.get("from") or params.get("to") else USUAL
    if text not in list(Span):
        raise FieldError("period", _("Choose one of the periods."))
    span = Span(text)
    if span is Span.MONTH:
        return _month(params.get("month", ""), calendar=calendar, now=now)
    if span is Span.RANGE:
        return _range(params, calendar=calendar, longest=longest)
    if span is Span.ZOOM:
        return _zoom(params, calendar=calendar, longest=longest)
    return _rolling(span, calendar=calendar, now=now)


def _rolling(span: Span, *, calendar: Calendar, now: datetime) -> Period:
    today = calendar.day_of(now)
    if span is Span.MONTH:
        return _month("", calendar=calendar, now=now)
    if span is Span.DAY:
        until = floor_hour(now).astimezone(UTC) + HOUR
        since = until - 24 * HOUR
        first, end = calendar.day_of(since), _end_of(until, calendar)
        return Period(span, since, until, first, end, {"period": span})
    days = 7 if span is Span.WEEK else 30
    return make_days(span, today - (days - 1) * DAY, today + DAY, calendar=calendar)


def _month(text: str, *, calendar: Calendar, now: datetime) -> Period:
    if not text:
        first = calendar.month_of(calendar.day_of(now))
    else:
        is_day = len(text) > len("2026-11")
        first = calendar.find_month(
            _read_day("month", text if is_day else f"{text}-01"), is_day=is_day
        )
    end = calendar.next_month(first)
    return make_days(Span.MONTH, first, end, calendar=calendar, month=calendar.name_month(first))


def _range(params: Mapping[str, str], *, calendar: Calendar, longest: timedelta) -> Period:
    first, last = _read_day("from", params.get("from", "")), _read_day("to", params.get("to", ""))
    if last < first:
        raise FieldError("to", _("The last day is before the first."))
    if last + DAY - first > longest:
        raise FieldError("to", _too_long(longest))
    bounds = {"from": first.isoformat(), "to": last.isoformat()}
    return make_days(Span.RANGE, first, last + DAY, calendar=calendar, **bounds)


def _zoom(params: Mapping[str, str], *, calendar: Calendar, longest: timedelta) -> Period:
    since = _read_instant("since", params.get("since", ""), calendar)
    until = _read_instant("until", params.get("until", ""), calendar)
    if until - since < SHORTEST:
        raise FieldError("until", _("Choose an end at least a minute after the start."))
    if until - since > longest + 2 * DAY:  # what was widened to whole days is still welcome
        raise FieldError("until", _too_long(longest))
    return make_zoom(since, until, calendar=calendar)


def _read_day(field: str, text: str) -> date:
    try:
        day = date.fromisoformat(text)
    except ValueError:
        raise FieldError(field, _no_day(field)) from None
    if not EARLIEST <= day <= LATEST:
        raise FieldError(field, _("Choose a day between 2000 and 2099."))
    return day


def _no_day(field: str) -> Promise | str:
    if field == "month":
        return _("Choose a month, such as 2026-11.")
    return _("Enter a day, such as 2026-11-28.")


def _read_instant(field: str, text: str, calendar: Calendar) -> datetime:
    """An ISO instant; without an offset, the account's clock. In whole seconds."""
    try:
        at = datetime.fromisoformat(text)
    except ValueError:
        raise FieldError(field, _("Enter a day and time, such as 2026-11-28T05:00.")) from None
    if not EARLIEST <= at.date() <= LATEST:
        raise FieldError(field, _("Choose a day between 2000 and 2099."))
    if at.tzinfo is None:
        at = at.replace(tzinfo=calendar.zone)
    return at.astimezone(UTC).replace(microsecond=0)


def _write(at: datetime) -> str:
    return at.strftime("%Y-%m-%dT%H:%M:%SZ")


def _end_of(until: datetime, calendar: Calendar) -> date:
    return calendar.day_of(until - timedelta(microseconds=1)) + DAY


def _too_long(longest: timedelta) -> str:
    return _("Choose at most %(days)d days.") % {"days": longest.days}
