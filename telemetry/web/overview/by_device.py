"""The chart of the overview by device: consumption of the largest and of the rest, or levels."""

from collections.abc import Mapping, Sequence
from decimal import Decimal

from django.utils.translation import gettext as _
from django.utils.translation import ngettext
from msgspec import Struct

from telemetry.models import Device
from telemetry.store.reads.account_series import read_group_days, read_group_hours
from telemetry.store.reads.account_totals import (
    LONGEST_ACCOUNT_DAYS,
    MOST_DEVICES,
    Consumer,
    compare_devices,
    find_top_consumers,
)
from telemetry.store.reads.chart_series import MOST_SERIES, SeriesByDevice, read_day_series
from telemetry.web.charts.calendar import DAY, HOUR
from telemetry.web.charts.chart import (
    Chart,
    Resolution,
    Series,
    list_days,
    list_hours,
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
from telemetry.web.overview.samples import add_up, day_of

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
    parts = _make_parts(question, devices, chosen, ids=ids, chart=chart, before=before)
    count = question.quantity.devices_count
    if question.quantity.is_level or len(chosen) <= len(shown):
        return Parts(chart, parts, count), before
    others = list(chosen)[len(shown) :]
    rest = _read_rest(question, chart, shown=ids, others=others, before=before)
    if rest is None:
        return Parts(chart, parts, count, count - len(ids)), before
    chart = Chart(chart.resolution, chart.slots, {**chart.series, OTHER: rest.series})
    parts.append(_make_rest(parts, rest, before=before))
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
    ids: Sequence[int],
    chart: Chart,
    before: Before | None,
) -> list[Part]:
    summaries = _summarise(question, ids, chart)
    earlier: SeriesByDevice = {}
    if before is not None:
        earlier = read_day_series(
            question.account_id, device_ids=list(chart.series), first=before.first,
            until=before.until,
        )  # fmt: skip
    parts = []
    for device_id in ids:
        if device_id not in summaries:
            continue
        device, consumer = devices[device_id], chosen[device_id]
        series = chart.series.get(device_id, ())
        # Where its unit changed within the period: what it consumed in the one that is shown.
        is_other = (
            consumer is not None
            and chart.resolution is Resolution.DAY
            and summaries[device_id].total != consumer.total
        )
        summary = summaries[device_id]
        if is_other and consumer is not None:
            summary = Totals(consumer.total, None, None, None)
        parts.append(
            Part(
                device_id,
                label_device(device),
                device.name or device.code,
                summary,
                location=f"{device.gateway.code}/{device.code}",
                device_id=device_id,
                share=consumer.share if consumer else None,
                part=fold(series[: before.days]).total if before and not is_other else None,
                before=fold(earlier[device_id]).total
                if device_id in earlier and not is_other
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
    """By device id: of the local days of the period, or of the hours that are shown."""
    period = question.period
    if period.span in (Span.DAY, Span.ZOOM) or chart.resolution is Resolution.DAY:
        return {device_id: fold(series) for device_id, series in chart.series.items()}
    rows = compare_devices(
        question.account_id, device_ids=ids, first=period.first, until=period.end
    )
    return {row.device_id: Totals(row.total, row.mean, row.minimum, row.maximum) for row in rows}


class Rest(Struct, frozen=True):
    """What the devices that are not shown consumed together in the slots of the chart, and in the
    period before."""

    series: Series
    devices_count: int
    before: Decimal | None = None
    is_partial: bool = False


def _read_rest(
    question: Question,
    chart: Chart,
    *,
    shown: Sequence[int],
    others: Sequence[int],
    before: Before | None,
) -> Rest | None:
    """None where that would be the hours of too many devices. One query; two where the period
    before does not fit in."""
    if not chart.slots:
        return None
    if chart.resolution is Resolution.DAY:
        return _read_days_of_rest(question, chart, shown=shown, before=before)
    if len(shown) + len(others) >= MOST_DEVICES:
        return None
    hours = list_hours(question.period, now=question.now)
    samples = read_group_hours(
        question.account_id, device_ids=others, since=hours[0], until=hours[-1] + HOUR
    )
    return Rest(add_up(samples, chart.slots), len(others))


def _read_days_of_rest(
    question: Question, chart: Chart, *, shown: Sequence[int], before: Before | None
) -> Rest:
    days = list_days(question.period, today=question.calendar.day_of(question.now))
    spans = [(days[0], days[-1] + DAY)]
    if before is not None:
        spans.append((before.first, before.until))
    first, until = min(span[0] for span in spans), max(span[1] for span in spans)
    if until - first <= LONGEST_ACCOUNT_DAYS:
        spans = [(first, until)]
    ids = None
    if not question.filters.is_empty:
        devices = select_devices(question.account_id, question.filters)
        ids = list(devices.values_list("pk", flat=True))
    samples = [
        sample
        for first, until in spans
        for sample in read_group_days(
            question.account_id, unit=question.quantity.unit, first=first, until=until,
            device_ids=ids, without=shown, names=(),
        )
    ]  # fmt: skip
    count = max((sample.devices_count for sample in samples), default=0)
    series = add_up(samples, chart.slots)
    if before is None:
        return Rest(series, count)
    earlier = [one for one in samples if before.first <= day_of(one) < before.until]
    return Rest(
        series,
        count,
        sum((one.total for one in earlier), Decimal()) if earlier else None,
        is_partial(before, days=sum(one.reporting_count for one in earlier), devices=count),
    )


def _make_rest(parts: Sequence[Part], rest: Rest, *, before: Before | None) -> Part:
    text = ngettext("%(count)d other device", "%(count)d other devices", rest.devices_count)
    shares = [part.share for part in parts if part.share is not None]
    return Part(
        OTHER,
        text % {"count": rest.devices_count},
        _("Other"),
        fold(rest.series),
        devices_count=rest.devices_count,
        share=1 - sum(shares, Decimal()) if shares else None,
        part=fold(rest.series[: before.days]).total if before else None,
        before=rest.before,
        is_partial=rest.is_partial,
    )
