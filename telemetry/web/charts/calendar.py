"""An account's calendar: its local days and billing months. Pure; the rules are those of
`telemetry.core.consumption`."""

from datetime import UTC, date, datetime, timedelta

from msgspec import Struct

from telemetry.core.consumption import BillingDays, day_of, month_of, next_month, start_of
from telemetry.core.zones import Zone

HOUR = timedelta(hours=1)
DAY = timedelta(days=1)
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class Calendar(Struct, frozen=True):
    """The time zone in which days are cut, and the day (1 to 31) on which a month begins."""

    zone: Zone
    billing: BillingDays | int

    def day_of(self, at: datetime) -> date:
        """The local day of an instant."""
        return day_of(at, self.zone)

    def start_of(self, day: date) -> datetime:
        """The first instant of a local day, in UTC."""
        return start_of(day, self.zone)

    def month_of(self, day: date) -> date:
        """The first day of the billing month of a day."""
        return month_of(day, self.billing)

    def month_before(self, month: date) -> date:
        """The first day of the billing month before one."""
        return self.month_of(month - DAY)

    def next_month(self, month: date) -> date:
        """The first day of the billing month after one."""
        return next_month(month, self.billing)

    def name_month(self, first: date) -> str:
        """A billing month in addresses: 2026-11, or its first day where another one begins later in
        the same calendar month."""
        is_last = self.find_month(first.replace(day=1), is_day=False) == first
        return f"{first:%Y-%m}" if is_last else first.isoformat()

    def find_month(self, day: date, *, is_day: bool) -> date:
        """The first day of the month of a day, or of the last one that begins in its calendar
        month."""
        if not is_day:
            day = (day.replace(day=28) + 4 * DAY).replace(day=1) - DAY
        return self.month_of(day)


def floor_hour(at: datetime) -> datetime:
    """The beginning of an instant's UTC hour."""
    return at - (at - _EPOCH) % HOUR


def ceil_hour(at: datetime) -> datetime:
    """The first whole UTC hour that does not begin before the instant."""
    return at + (_EPOCH - at) % HOUR
