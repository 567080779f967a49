"""The totals of a device today and in the current billing month."""

from datetime import datetime

from msgspec import Struct

from telemetry.models import Device, MonthlyConsumption
from telemetry.store.reads.chart_series import Sample, read_day_series
from telemetry.web.charts.calendar import DAY, Calendar


class CurrentTotals(Struct, frozen=True):
    """Today and the current billing month; None without a reading in them."""

    today: Sample | None
    month: MonthlyConsumption | None


def read_current_totals(
    account_id: int, *, device: Device, calendar: Calendar, now: datetime
) -> CurrentTotals:
    """As of the last refresh. Two queries."""
    today = calendar.day_of(now)
    month = calendar.month_of(today)
    days = read_day_series(account_id, device_ids=[device.pk], first=today, until=today + DAY)
    months = MonthlyConsumption.objects.filter(account_id=account_id, device=device, month=month)
    return CurrentTotals(days[device.pk][0] if days else None, months.first())
