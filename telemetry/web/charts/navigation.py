"""From one period to the next: earlier, later, closer, wider. Pure."""

from datetime import datetime, timedelta

from msgspec import Struct

from telemetry.web.charts.calendar import DAY, Calendar
from telemetry.web.charts.period import (
    EARLIEST,
    LATEST,
    SHORTEST,
    Period,
    Span,
    make_days,
    make_zoom,
)


class Neighbours(Struct, frozen=True):
    """The periods that are one step away; None where there is no way on."""

    earlier: Period | None
    later: Period | None
    closer: Period | None
    wider: Period | None


def find_neighbours(
    period: Period, *, calendar: Calendar, now: datetime, longest: timedelta
) -> Neighbours:
    """Earlier and later by its own length, up to now; closer to its middle half; twice as wide."""
    length = period.until - period.since
    quarter = timedelta(seconds=length.total_seconds() // 4)
    is_last = period.until >= now
    closer = make_zoom(period.since + quarter, period.until - quarter, calendar=calendar)
    after = timedelta(0) if is_last else length / 2
    until = period.until + after
    wider = make_zoom(until - 2 * length, until, calendar=calendar)
    return Neighbours(
        _within_bounds(shift(period, by=-1, calendar=calendar)),
        None if is_last else _within_bounds(shift(period, by=1, calendar=calendar)),
        closer if length / 2 >= SHORTEST and _length(closer) < length else None,
        _within_bounds(wider) if length < _length(wider) <= longest else None,
    )


def shift(period: Period, *, by: int, calendar: Calendar) -> Period:
    """The period before (-1) or after (1): of the same length, in months, days, or time."""
    if period.span is Span.MONTH:
        first = period.end if by > 0 else calendar.month_before(period.first)
        month = calendar.name_month(first)
        end = calendar.next_month(first)
        return make_days(Span.MONTH, first, end, calendar=calendar, month=month)
    if period.span in (Span.DAY, Span.ZOOM) and period.is_hourly:
        step = by * (period.until - period.since)
        return make_zoom(period.since + step, period.until + step, calendar=calendar)
    days = by * (period.end - period.first)
    first, end = period.first + days, period.end + days
    bounds = {"from": first.isoformat(), "to": (end - DAY).isoformat()}
    return make_days(Span.RANGE, first, end, calendar=calendar, **bounds)


def _within_bounds(period: Period) -> Period | None:
    return period if period.first >= EARLIEST and period.end <= LATEST else None


def _length(period: Period) -> timedelta:
    return period.until - period.since
