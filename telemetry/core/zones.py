"""The time zone of an account's days: one, or several that follow each other.

A change takes effect with a day, which begins where the day before it ends: by the clock of the
zone before. `zone_on`, `local_day_start` and `local_day` say the same in SQL
(`telemetry/sql/schema/consumption.sql`).
"""

from datetime import date, datetime, timedelta, tzinfo
from zoneinfo import ZoneInfo

UTC = ZoneInfo("UTC")
DAY = timedelta(days=1)


class Zones(tzinfo):
    """A zone, and those before it: each applies until its day. For days and their borders; clocks
    are shown in the zone of today."""

    def __init__(self, newest: ZoneInfo, earlier: tuple[tuple[date, ZoneInfo], ...]) -> None:
        self.newest, self.earlier = newest, earlier
        self.key = newest.key

    def on(self, day: date) -> ZoneInfo:
        """The zone that applies on a day."""
        return next((zone for until, zone in self.earlier if day < until), self.newest)

    def start_of(self, day: date) -> datetime:
        """The first instant of a day, in UTC."""
        zone = self.on(day - DAY if day > date.min else day)
        return datetime(day.year, day.month, day.day, tzinfo=zone).astimezone(UTC)

    def day_of(self, at: datetime) -> date:
        """The day that an instant lies in: at midnight, the day that begins."""
        begun = [until for until, _ in self.earlier if self.start_of(until) <= at]
        if not begun:
            return at.astimezone(self.on(date.min)).date()
        return max(begun[-1], at.astimezone(self.on(begun[-1])).date())

    # As a tzinfo it tells the clock of the newest zone.

    def utcoffset(self, dt: datetime | None) -> timedelta | None:
        return self.newest.utcoffset(dt)

    def dst(self, dt: datetime | None) -> timedelta | None:
        return self.newest.dst(dt)

    def tzname(self, dt: datetime | None) -> str | None:
        return self.newest.tzname(dt)

    def fromutc(self, dt: datetime) -> datetime:
        return self.newest.fromutc(dt.replace(tzinfo=self.newest)).replace(tzinfo=self)


Zone = ZoneInfo | Zones


def name_zones(zone: Zone, first: date, last: date) -> str:
    """The zones that apply from a day to another one, in order."""
    if isinstance(zone, ZoneInfo):
        return zone.key
    days = [first, *(until for until, _ in zone.earlier if first < until <= last)]
    return ", ".join(dict.fromkeys(zone.on(day).key for day in days))


def read_zone(text: str) -> Zone:
    """What `account.zones` says: a name, then `day=name` for each zone before."""
    name, *rules = text.split(" ")
    if not rules:
        return ZoneInfo(name)
    pairs = (rule.split("=") for rule in rules)
    earlier = tuple((date.fromisoformat(until), ZoneInfo(zone)) for until, zone in pairs)
    return Zones(ZoneInfo(name), earlier)
