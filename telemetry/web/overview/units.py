"""Devices whose unit changed within a period: the chart of a unit shows what they had in it."""

from collections.abc import Collection
from datetime import datetime

from msgspec import structs

from telemetry.core.consumption import start_of
from telemetry.models import Installation
from telemetry.web.charts.calendar import Calendar
from telemetry.web.charts.chart import Chart, Slot

Changes = list[tuple[datetime | None, str]]


def drop_other_units(
    chart: Chart, device_ids: Collection[int], *, unit: str, calendar: Calendar
) -> Chart:
    """The chart without the slots in which one of these devices measured in another unit. One
    query."""
    rows = Installation.objects.filter(device__in=device_ids, undone_at=None)
    changes: dict[int, Changes] = {}
    for device_id, since, in_unit in rows.values_list("device", "since", "unit"):
        changes.setdefault(device_id, []).append((since, in_unit))
    series = dict(chart.series)
    for device_id, known in changes.items():
        begun = sorted(known, key=lambda change: (change[0] is not None, change[0]))
        series[device_id] = tuple(
            sample if _find_unit(begun, slot, calendar) == unit else None
            for slot, sample in zip(chart.slots, series[device_id], strict=True)
        )
    return structs.replace(chart, series=series)


def _find_unit(changes: Changes, slot: Slot, calendar: Calendar) -> str:
    """The unit at the beginning of a slot, of changes in their order."""
    at = slot if isinstance(slot, datetime) else start_of(slot, calendar.zone)
    return [unit for since, unit in changes if since is None or since <= at][-1]
