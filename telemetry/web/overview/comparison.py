"""Which devices the overview shows, and how they compare over the period."""

from collections.abc import Sequence
from datetime import datetime
from decimal import Decimal

from msgspec import Struct

from telemetry.models import Device
from telemetry.store.reads.account_totals import Consumer, compare_devices, find_top_consumers
from telemetry.store.reads.chart_series import MOST_SERIES
from telemetry.web.charts.calendar import Calendar
from telemetry.web.charts.chart import Chart, Series, read_chart
from telemetry.web.charts.chart_filters import ChartFilters
from telemetry.web.charts.labels import find_devices, label_device
from telemetry.web.charts.period import Period, Span
from telemetry.web.overview.params import select_devices
from telemetry.web.overview.quantities import Quantity

_WIDTH = Decimal(100)


class Summary(Struct, frozen=True):
    """A device over the period. `total` is None for levels; the others, without readings."""

    total: Decimal | None
    mean: Decimal | None
    minimum: Decimal | None
    maximum: Decimal | None


class Row(Struct, frozen=True):
    """A device in the comparison. `share`: of what all devices that the filters select consumed.

    The bar begins at `bar_start`, is `bar_width` long, has a mark at `bar_mark`: all in percent.
    """

    device: Device
    name: str
    summary: Summary
    share: Decimal | None
    bar_start: Decimal
    bar_width: Decimal
    bar_mark: Decimal | None


class Comparison(Struct, frozen=True):
    """The chart, and its devices in the order of their series. `devices_count`: among how many they
    were chosen."""

    chart: Chart
    rows: tuple[Row, ...]
    devices_count: int


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
    rows = [
        (devices[device_id], summaries[device_id], chosen[device_id])
        for device_id in ids
        if device_id in summaries
    ]
    return Comparison(chart, tuple(_make_rows(rows)), quantity.devices_count)


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
) -> dict[int, Summary]:
    """By device id: of the local days of the period, or of the hours that are shown."""
    if period.span in (Span.DAY, Span.ZOOM):
        return {device_id: fold(series) for device_id, series in chart.series.items()}
    rows = compare_devices(account_id, device_ids=ids, first=period.first, until=period.end)
    return {row.device_id: Summary(row.total, row.mean, row.minimum, row.maximum) for row in rows}


def fold(series: Series) -> Summary:
    """What the samples of a series, at least one, come to."""
    samples = [sample for sample in series if sample is not None]
    totals = [sample.total for sample in samples if sample.total is not None]
    count = sum(sample.readings_count for sample in samples)
    readings = sum((sample.reading_sum for sample in samples), Decimal())
    return Summary(
        total=sum(totals, Decimal()) if totals else None,
        mean=readings / count if count else None,
        minimum=min((one.minimum for one in samples if one.minimum is not None), default=None),
        maximum=max((one.maximum for one in samples if one.maximum is not None), default=None),
    )


def _make_rows(rows: Sequence[tuple[Device, Summary, Consumer | None]]) -> list[Row]:
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
                bar_start=round((start - low) * scale, 2),
                bar_width=round((end - start) * scale, 2),
                bar_mark=round((mark - low) * scale, 2) if summary.total is None else None,
            )
        )
    return made
