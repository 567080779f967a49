"""The billing months of a device with the adjustments since they were closed."""

from collections import defaultdict
from collections.abc import Sequence

from msgspec import Struct

from telemetry.models import Device, MonthAdjustment, MonthlyConsumption

MOST_MONTHS = 24
MOST_ADJUSTMENTS = 200


class Month(Struct, frozen=True):
    """A month and its adjustments, oldest first; with the closed total they are the live total."""

    consumption: MonthlyConsumption
    adjustments: Sequence[MonthAdjustment]


def list_months(account_id: int, *, device: Device) -> list[Month]:
    """The newest 24. Two queries."""
    months = list(
        MonthlyConsumption.objects.filter(account_id=account_id, device_id=device.pk).order_by(
            "-month"
        )[:MOST_MONTHS]
    )
    if not months:
        return []
    lines = MonthAdjustment.objects.filter(
        account_id=account_id, device=device, month__gte=months[-1].month
    ).order_by("month", "recorded_at", "pk")[:MOST_ADJUSTMENTS]
    by_month: dict[object, list[MonthAdjustment]] = defaultdict(list)
    for line in lines:
        by_month[line.month].append(line)
    return [Month(month, by_month[month.month]) for month in months]
