"""Which devices the overview shows, and how they compare over the period."""

from collections.abc import Sequence
from datetime import date, datetime
from decimal import Decimal

from msgspec import Struct

from telemetry.models import Device
from telemetry.store.reads.account_totals import Consumer, compare_devices, find_top_consumers
from telemetry.store.reads.chart_series import MOST_SERIES
from telemetry.web.charts.calendar import DAY, Calendar
from telemetry.web.charts.chart import Chart, Resolution, read_chart
from telemetry.web.charts.chart_filters import ChartFilters
from telemetry.web.charts.labels import find_devices, label_device
from telemetry.web.charts.period import Period, Span
from telemetry.web.charts.period_names import count_days_so_far, list_days_beside
from telemetry.web.charts.totals import Totals, fold
from telemetry.web.overview.params import select_devices
from telemetry.web.overview.quantities import Quantity

_WIDTH = Decimal(100)

Changes = dict[int, tuple[Decimal | None, Decimal | None]]
"""What is compared, and with what, by device id."""


class Row(Struct, frozen=True):
    """A device in the comparison. `share`: of what all devices that the filters select consumed.
    `part`: what is compared with `before`, the same part of the period before; None for levels.

    The bar begins at `bar_start`, is `bar_width` long, has a mark at `bar_mark`: all in percent.
    """

    device: Device
    name: str
    summary: Totals
    share: Decimal | None
    part: Decimal | None
    before: Decimal | None
    bar_start: Decimal
    bar_width: Decimal
    bar_mark: Decimal | None


class Comparison(Struct, frozen=True):
    """The chart, and its devices in the order of their series. `devices_count`: among how many they
    were chosen. `before`: the name of what changes are against; empty where none are shown."""

    chart: Chart
    rows: tuple[Row, ...]
    devices_count: int
    before: str


def read_comparison(
    account_id: int,
    *,
    quantity: Quantity,
    filters: ChartFilters,
    period: Period,
    calendar: Calendar,
    now: datetime,
) -> Comparison:
    """At most twelve devices: those that consumed most on the days of the period, or for levels the
    first by gateway and code. At most six queries."""
    chosen = _choose(account_id, quantity=quantity, filters=filters, period=period)
    devices = find_devices(account_id, ids=list(chosen))
    ids = [device_id for device_id in chosen if device_id in devices]
    chart = read_chart(account_id, device_ids=ids, period=period, calendar=calendar, now=now)
    summaries = _summarise(account_id, ids, period=period, chart=chart)
    changed = _find_changed_units(summaries, chosen, chart)
    summaries |= changed
    rows = [
        (devices[device_id], summaries[device_id], chosen[device_id])
        for device_id in ids
        if device_id in summaries
    ]
    name, changes = "", Changes()
    if chart.resolution is Resolution.DAY and not quantity.is_level:
        today = calendar.day_of(now)
        name, changes = _read_changes(
            account_id, chart, period, calendar=calendar, today=today, unit=quantity.unit
        )
        changes = {of: change for of, change in changes.items() if of not in changed}
    return Comparison(chart, tuple(_make_rows(rows, changes)), quantity.devices_count, name)


def _read_changes(
    account_id: int, chart: Chart, period: Period, *, calendar: Calendar, today: date, unit: str
) -> tuple[str, Changes]:
    """What the whole days of the chart, and the same ones of the period before, came to."""
    days = count_days_so_far(period, today=today)
    beside = list_days_beside(period, calendar=calendar, days=days * DAY)
    if not beside or not chart.series:
        return "", {}
    name, first, until = beside[0]
    rows = compare_devices(account_id, device_ids=list(chart.series), first=first, until=until)
    before = {row.device_id: row.total for row in rows if row.unit == unit}
    return name, {
        device_id: (fold(series[:days]).total, before.get(device_id))
        for device_id, series in chart.series.items()
    }


def _choose(
    account_id: int, *, quantity: Quantity, filters: ChartFilters, period: Period
) -> dict[int, Consumer | None]:
    devices = select_devices(account_id, filters).filter(unit=quantity.unit)
    if quantity.is_level:
        levels = devices.filter(measurement=Device.Measurement.GAUGE)
        in_order = levels.order_by("gateway__code", "code").values_list("pk", flat=True)
        return dict.fromkeys(in_order[:MOST_SERIES])
    consumers = find_top_consumers(
        account_id,
        unit=quantity.unit,
        first=period.first,
        until=period.end,
        most=MOST_SERIES,
        device_ids=None if filters.is_empty else list(devices.values_list("pk", flat=True)),
    )
    return {consumer.device_id: consumer for consumer in consumers}


def _summarise(
    account_id: int, ids: Sequence[int], *, period: Period, chart: Chart
) -> dict[int, Totals]:
    """By device id: of the local days of the period, or of the hours that are shown."""
    if period.span in (Span.DAY, Span.ZOOM) or chart.resolution is Resolution.DAY:
        return {device_id: fold(series) for device_id, series in chart.series.items()}
    rows = compare_devices(account_id, device_ids=ids, first=period.first, until=period.end)
    return {row.device_id: Totals(row.total, row.mean, row.minimum, row.maximum) for row in rows}


def _find_changed_units(
    summaries: dict[int, Totals], chosen: dict[int, Consumer | None], chart: Chart
) -> dict[int, Totals]:
    """Devices whose unit changed within the period: what they consumed in the unit that is shown.
    Their days before are in another one."""
    if chart.resolution is not Resolution.DAY:
        return {}
    return {
        device_id: Totals(consumer.total, None, None, None)
        for device_id, consumer in chosen.items()
        if consumer is not None
        and device_id in summaries
        and summaries[device_id].total != consumer.total
    }


def _make_rows(
    rows: Sequence[tuple[Device, Totals, Consumer | None]], changes: Changes
) -> list[Row]:
    """The rows with their bars: consumption from zero, levels from their least to their most."""
    totals = [summary.total for _, summary, _ in rows if summary.total is not None]
    if totals:
        low, high = min(Decimal(), *totals), max(Decimal(), *totals)
    else:
        low = min((summary.minimum or Decimal() for _, summary, _ in rows), default=Decimal())
        high = max((summary.maximum or Decimal() for _, summary, _ in rows), default=Decimal())
    scale = _WIDTH / (high - low) if high > low else Decimal()
    made = []
    for device, summary, consumer in rows:
        start, end, mark = (
            value or Decimal() for value in (summary.minimum, summary.maximum, summary.mean)
        )
        if summary.total is not None:
            start, end = sorted((Decimal(), summary.total))
        made.append(
            Row(
                device,
                label_device(device),
                summary,
                consumer.share if consumer else None,
                *changes.get(device.pk, (None, None)),
                bar_start=round((start - low) * scale, 2),
                bar_width=round((end - start) * scale, 2),
                bar_mark=round((mark - low) * scale, 2) if summary.total is None else None,
            )
        )
    return made
