"""With what the page of a device compares its period: as members choose it in the address. Pure.

`compare=before`: the period before; `weekday`: the same weekdays, as few whole weeks before as do
not overlap; `year`: the same weekdays of the year before; `from`: any days, from `compare_from` on.
Without a choice the page compares by itself (`headline.py`).
"""

from collections.abc import Mapping
from datetime import date, datetime, timedelta
from enum import StrEnum

from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _
from msgspec import Struct

from telemetry.web.charts.calendar import DAY, Calendar
from telemetry.web.charts.navigation import shift
from telemetry.web.charts.period import (
    EARLIEST,
    LATEST,
    Errors,
    Period,
    Span,
    make_days,
    make_zoom,
)
from telemetry.web.charts.period_names import name_period
from telemetry.web.formatting import format_within

WEEK = 7 * DAY
YEAR = 52 * WEEK


class Compare(StrEnum):
    """How the other period was chosen."""

    BEFORE = "before"
    WEEKDAY = "weekday"
    YEAR = "year"
    FROM = "from"


TEXTS: dict[Compare, Promise] = {
    Compare.BEFORE: _("the period before"),
    Compare.WEEKDAY: _("the same weekdays before"),
    Compare.YEAR: _("the same weekdays a year before"),
}


class Compared(Struct, frozen=True):
    """Another period, and how far `back` it is by the local clock; `name` is for people, within a
    sentence."""

    period: Period
    back: timedelta
    name: str

    def align(self, at: datetime, *, calendar: Calendar) -> datetime:
        """Where an instant of it lies in the period that is shown, by the local clock."""
        return at.astimezone(calendar.zone) + self.back


class ComparisonChoice(Struct, frozen=True):
    """What was chosen: its parameters for addresses, and the period. None: nothing was, or it could
    not be understood, which `errors` says."""

    pairs: tuple[tuple[str, str], ...]
    compared: Compared | None
    errors: Errors


def read_choice(
    params: Mapping[str, str], *, period: Period, calendar: Calendar
) -> ComparisonChoice:
    """What the parameters ask for."""
    text = params.get("compare", "")
    if not text:
        return ComparisonChoice((), None, {})
    if text not in list(Compare):
        return ComparisonChoice((), None, {"compare": _("Choose one of the comparisons.")})
    how, first = Compare(text), None
    pairs = [("compare", text)]
    if how is Compare.FROM:
        text_from = params.get("compare_from", "")
        first = _read_day(text_from)
        if first is None:
            message = _("Choose a day between 2000 and 2099.")
            return ComparisonChoice((), None, {"compare_from": message})
        pairs.append(("compare_from", text_from))
    return ComparisonChoice(tuple(pairs), _find(how, first, period, calendar), {})


def _find(how: Compare, first: date | None, period: Period, calendar: Calendar) -> Compared | None:
    if how is Compare.BEFORE:
        other = shift(period, by=-1, calendar=calendar)
        is_clock = period.span in (Span.DAY, Span.ZOOM)
        back = period.since - other.since if is_clock else period.first - other.first
        return _name(other, back, calendar)
    if first is not None:
        back = period.first - first
    elif how is Compare.YEAR:
        back = YEAR
    else:
        length = max(period.end - period.first, period.until - period.since)
        back = -(-length // WEEK) * WEEK
    other = _move_back(period, back, calendar)
    if other.first < EARLIEST or other.end > LATEST:
        return None
    return _name(other, back, calendar)


def _name(other: Period, back: timedelta, calendar: Calendar) -> Compared:
    if other.span is Span.MONTH and other.first.day == 1:
        return Compared(other, back, format_within(other.first, "YEAR_MONTH_FORMAT"))
    return Compared(other, back, name_period(other, calendar=calendar))


def _move_back(period: Period, back: timedelta, calendar: Calendar) -> Period:
    if period.span in (Span.DAY, Span.ZOOM) and period.is_hourly:
        since, until = (
            (at.astimezone(calendar.zone) - back).astimezone(at.tzinfo)
            for at in (period.since, period.until)
        )
        return make_zoom(since, until, calendar=calendar)
    return make_days(Span.RANGE, period.first - back, period.end - back, calendar=calendar)


def _read_day(text: str) -> date | None:
    try:
        day = date.fromisoformat(text)
    except ValueError:
        return None
    return day if EARLIEST <= day <= LATEST else None
