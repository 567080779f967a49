"""The chart of the overview by device: consumption of the largest and of the rest, or levels."""

from collections.abc import Collection, Mapping, Sequence

from telemetry.models import Device
from telemetry.store.reads.account_totals import (
    MOST_DEVICES,
    Consumer,
    compare_devices,
    find_top_consumers,
)
from telemetry.store.reads.chart_series import MOST_SERIES, SeriesByDevice, read_day_series
from telemetry.web.charts.chart import (
    Chart,
    Resolution,
    read_chart,
)
from telemetry.web.charts.labels import find_devices, label_device
from telemetry.web.charts.period import Span
from telemetry.web.charts.totals import Totals, count_known, fold
from telemetry.web.charts.view import OTHER
from telemetry.web.overview.comparison import (
    Before,
    Part,
    Parts,
    Question,
    find_before,
    is_partial,
)
from telemetry.web.overview.params import select_devices
from telemetry.web.overview.rest import make_rest, read_rest
from telemetry.web.overview.units import drop_other_units

MOST_TOLD_APART = 6
"""Devices of a stack of bars; the rest is one part. Of levels there are twelve lines."""

Chosen = Mapping[int, Consumer | None]


def read_by_device(question: Question) -> tuple[Parts, Before | None]:
    """The devices that consumed most and the rest of them, or levels by gateway and code. At most
    nine queries."""
    chosen = choose_devices(question)
    shown = list(chosen)[: MOST_SERIES if question.quantity.is_level else MOST_TOLD_APART]
    devices = find_devices(question.account_id, ids=shown)
    ids = [device_id for device_id in shown if device_id in devices]
    chart = read_chart(
        question.account_id, device_ids=ids, period=question.period,
        calendar=question.calendar, now=question.now,
    )  # fmt: skip
    before = find_before(question, chart)
    summaries = _summarise(question, ids, chart)
    mixed = _find_mixed(question, chosen, chart, summaries)
    parts = _make_parts(
        question, devices, chosen, summaries=summaries, mixed=mixed, chart=chart, before=before
    )
    if mixed:
        unit = question.quantity.unit
        chart = drop_other_units(chart, mixed, unit=unit, calendar=question.calendar)
    count = question.quantity.devices_count
    if question.quantity.is_level or len(chosen) <= len(shown):
        return Parts(chart, parts, count), before
    others = list(chosen)[len(shown) :]
    rest = read_rest(question, chart, shown=ids, others=others, before=before)
    if rest is None:
        return Parts(chart, parts, count, count - len(ids)), before
    chart = Chart(chart.resolution, chart.slots, {**chart.series, OTHER: rest.series})
    parts.append(make_rest(parts, rest, before=before))
    return Parts(chart, parts, count), before


def choose_devices(question: Question) -> Chosen:
    """At most a hundred: those that consumed most on the days of the period, or for levels the
    first by gateway and code."""
    account_id, filters, unit = question.account_id, question.filters, question.quantity.unit
    devices = select_devices(account_id, filters).filter(unit=unit)
    if question.quantity.is_level:
        levels = devices.filter(measurement=Device.Measurement.GAUGE)
        in_order = levels.order_by("gateway__code", "code").values_list("pk", flat=True)
        return dict.fromkeys(in_order[:MOST_SERIES])
    consumers = find_top_consumers(
        account_id,
        unit=unit,
        first=question.period.first,
        until=question.period.end,
        most=MOST_DEVICES,
        device_ids=None if filters.is_empty else list(devices.values_list("pk", flat=True)),
    )
    return {consumer.device_id: consumer for consumer in consumers}


def _make_parts(
    question: Question,
    devices: Mapping[int, Device],
    chosen: Chosen,
    *,
    summaries: Mapping[int, Totals],
    mixed: Collection[int],
    chart: Chart,
    before: Before | None,
) -> list[Part]:
    earlier: SeriesByDevice = {}
    if before is not None:
        earlier = read_day_series(
            question.account_id, device_ids=list(chart.series), first=before.first,
            until=before.until,
        )  # fmt: skip
    parts = []
    for device_id, whole in summaries.items():
        device, consumer = devices[device_id], chosen[device_id]
        series = chart.series.get(device_id, ())
        is_mixed = device_id in mixed
        in_unit = Totals(consumer.total, None, None, None) if is_mixed and consumer else whole
        parts.append(
            Part(
                device_id,
                label_device(device),
                device.name or device.code,
                in_unit,
                location=f"{device.gateway.code}/{device.code}",
                device_id=device_id,
                share=consumer.share if consumer else None,
                part=fold(series[: before.days]).total if before and not is_mixed else None,
                before=fold(earlier[device_id]).total
                if device_id in earlier and not is_mixed
                else None,
                is_partial=before is not None
                and device_id in earlier
                and is_partial(
                    before,
                    days=count_known(
                        earlier[device_id],
                        is_delta=device.measurement == Device.Measurement.DELTA,
                    ),
                ),
            )
        )
    return parts


def _summarise(question: Question, ids: Sequence[int], chart: Chart) -> dict[int, Totals]:
    """By device id, in this order: of the local days of the period, or of the hours that are
    shown."""
    period = question.period
    if not _has_whole_days(question, chart) or chart.resolution is Resolution.DAY:
        found = {device_id: fold(series) for device_id, series in chart.series.items()}
    else:
        rows = compare_devices(
            question.account_id, device_ids=ids, first=period.first, until=period.end
        )
        found = {
            row.device_id: Totals(row.total, row.mean, row.minimum, row.maximum) for row in rows
        }
    return {device_id: found[device_id] for device_id in ids if device_id in found}


def _find_mixed(
    question: Question, chosen: Chosen, chart: Chart, summaries: Mapping[int, Totals]
) -> list[int]:
    """Devices whose unit changed within the period: they consumed something else in all than in the
    unit that is shown."""
    if not _has_whole_days(question, chart):
        return []
    return [
        device_id
        for device_id, summary in summaries.items()
        if (consumer := chosen[device_id]) is not None and consumer.total != summary.total
    ]


def _has_whole_days(question: Question, chart: Chart) -> bool:
    """Whether what is summed up are local days, and not the hours that are shown."""
    return chart.resolution is Resolution.DAY or question.period.span not in (Span.DAY, Span.ZOOM)
