"""Names of periods, and of those that they are compared with. Pure."""

from datetime import date, timedelta

from django.utils.formats import date_format
from django.utils.translation import gettext as _

from telemetry.web.charts.calendar import DAY, Calendar
from telemetry.web.charts.period import Period, Span
from telemetry.web.formatting import format_day, format_days, format_within


def name_period(period: Period, *, calendar: Calendar) -> str:
    """As people say it: a month by its name, days by the first and the last, hours by the clock."""
    if period.span is Span.MONTH and period.first.day == 1:
        return date_format(period.first, "YEAR_MONTH_FORMAT")
    if period.span not in (Span.DAY, Span.ZOOM) or not period.is_hourly:
        return format_days(period.first, period.end - DAY)
    since, until = (at.astimezone(calendar.zone) for at in (period.since, period.until))
    if since.date() == (until - timedelta(microseconds=1)).date():
        return f"{date_format(since, 'DATE_FORMAT')}, {since:%H:%M}\u2013{until:%H:%M}"
    return f"{format_day(since)} {since:%H:%M} \u2013 {format_day(until)} {until:%H:%M}"


def name_month(first: date) -> str:
    """A billing month in a list; one that does not begin on the first says when it does."""
    text = date_format(first, "YEAR_MONTH_FORMAT")
    if first.day == 1:
        return text
    return f"{text} ({_('from %(first)s') % {'first': format_day(first)}})"


def count_days_so_far(period: Period, *, today: date) -> int:
    """The whole local days of a period that are over."""
    return max(0, (min(period.end, today) - period.first).days)


def list_days_beside(
    period: Period, *, calendar: Calendar, days: timedelta
) -> list[tuple[str, date, date]]:
    """Names and days, as many as `days`: of the period before and, for a month, of the one a year
    before."""
    if not days:
        return []
    is_whole = days == period.end - period.first
    if period.span is not Span.MONTH:
        first = period.first - (period.end - period.first)
        until = first + days
        return [(format_days(first, until - DAY), first, until)]
    before = calendar.month_before(period.first)
    year_before = calendar.month_of(period.first - 365 * DAY)
    found = []
    for first in (before, year_before):
        end = calendar.next_month(first)
        until = end if is_whole else min(first + days, end)
        name = format_within(first, "YEAR_MONTH_FORMAT")
        is_named = until == end and first.day == 1
        found.append((name if is_named else format_days(first, until - DAY), first, until))
    return found
