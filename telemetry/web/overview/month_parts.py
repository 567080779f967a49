"""Which stretches of time the cards of the overview compare. Pure.

Consumption is known by whole UTC hours. So today is compared from the first whole hour of the day
up to the last whole hour that is over, with the same hours of the clock on the same weekday of the
week before; and the month with the same days of the billing month before and these hours. Where the
month before was shorter, its last day takes the place of the missing days.
"""

from datetime import UTC, date, datetime

from msgspec import Struct

from telemetry.web.charts.calendar import DAY, Calendar, ceil_hour, floor_hour


class Part(Struct, frozen=True):
    """A part of a billing month: the local days [month, day), and [since, until) on `day` (UTC)."""

    month: date
    day: date
    since: datetime
    until: datetime

    @property
    def has_hours(self) -> bool:
        """Whether an hour of the day is over."""
        return self.since < self.until


def choose_parts(calendar: Calendar, *, now: datetime, known_until: datetime) -> tuple[Part, Part]:
    """This billing month until now, and the same part of the one before.

    `known_until`: what came later is not in the aggregates yet.
    """
    today = calendar.day_of(now)
    month = calendar.month_of(today)
    since = ceil_hour(calendar.start_of(today))
    until = max(since, floor_hour(min(now, known_until)).astimezone(UTC))
    before = calendar.month_before(month)
    day = min(before + (today - month), month - DAY)
    part = Part(month, today, since, until)
    return part, _find_same_hours(calendar, part, month=before, day=day)


def find_week_before(calendar: Calendar, part: Part) -> Part:
    """The same hours of the same weekday, a week before."""
    day = part.day - 7 * DAY
    return _find_same_hours(calendar, part, month=calendar.month_of(day), day=day)


def _find_same_hours(calendar: Calendar, part: Part, *, month: date, day: date) -> Part:
    """The hours that the clock of another day shows as it did on the part's."""
    wall = part.until.astimezone(calendar.zone)
    end = calendar.start_of(day + DAY)
    same = datetime.combine(day, wall.time(), tzinfo=calendar.zone).astimezone(UTC)
    if wall.date() > part.day:
        same = end
    start = ceil_hour(calendar.start_of(day))
    return Part(month, day, start, max(start, min(floor_hour(same), floor_hour(end))))
