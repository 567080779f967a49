"""The devices of the overview that are not told apart: what they consumed together."""

from collections.abc import Sequence
from decimal import Decimal

from django.utils.translation import gettext as _
from django.utils.translation import ngettext
from msgspec import Struct

from telemetry.store.reads.account_series import read_group_days, read_group_hours
from telemetry.store.reads.account_totals import LONGEST_ACCOUNT_DAYS, MOST_DEVICES
from telemetry.web.charts.calendar import DAY, HOUR
from telemetry.web.charts.chart import Chart, Resolution, Series, list_days, list_hours
from telemetry.web.charts.totals import fold
from telemetry.web.charts.view import OTHER
from telemetry.web.overview.comparison import Before, Part, Question, is_partial
from telemetry.web.overview.params import select_devices
from telemetry.web.overview.samples import add_up, day_of


class Rest(Struct, frozen=True):
    """What the devices that are not shown consumed together in the slots of the chart, and in the
    period before."""

    series: Series
    devices_count: int
    before: Decimal | None = None
    is_partial: bool = False


def read_rest(
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


def make_rest(parts: Sequence[Part], rest: Rest, *, before: Before | None) -> Part:
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
