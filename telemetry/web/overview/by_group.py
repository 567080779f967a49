"""The chart of the overview by group: what the groups of an account consumed."""

from collections import defaultdict
from collections.abc import Sequence
from datetime import date
from decimal import Decimal

from django.utils.http import urlencode
from django.utils.translation import gettext as _

from telemetry.store.reads.account_series import (
    GroupSample,
    read_group_days,
    read_group_hours,
)
from telemetry.store.reads.account_totals import MOST_DEVICES
from telemetry.web.charts.calendar import DAY, HOUR
from telemetry.web.charts.chart import Chart, Resolution, list_days, list_hours
from telemetry.web.charts.totals import fold
from telemetry.web.charts.view import OTHER
from telemetry.web.overview.by_device import choose_devices
from telemetry.web.overview.comparison import (
    Before,
    Part,
    Parts,
    Question,
    find_before,
    is_partial,
)
from telemetry.web.overview.params import select_devices
from telemetry.web.overview.samples import add_up

Groups = dict[str | None, list[GroupSample]]
"""The samples by the name of their group; None: those of groups that are not told apart."""


def read_by_group(question: Question) -> tuple[Parts, Before | None]:
    """The six groups that consumed most, and the rest. Of hours: of the hundred devices that
    consumed most. At most four queries."""
    count, left_out = question.quantity.devices_count, 0
    if question.period.is_hourly:
        hours = list_hours(question.period, now=question.now)
        ids = list(choose_devices(question))
        left_out = count - len(ids) if len(ids) >= MOST_DEVICES else 0
        samples = (
            read_group_hours(
                question.account_id, device_ids=ids, since=hours[0], until=hours[-1] + HOUR
            )
            if hours and ids
            else []
        )
        chart = Chart(Resolution.HOUR, tuple(hours), {})
    else:
        days = list_days(question.period, today=question.calendar.day_of(question.now))
        samples = _read_days(question, days[0], days[-1] + DAY) if days else []
        chart = Chart(Resolution.DAY, tuple(days), {})
    groups = _put_in_order(samples)
    keys = {name: OTHER if name is None else number for number, name in enumerate(groups)}
    series = {keys[name]: add_up(of, chart.slots) for name, of in groups.items()}
    chart = Chart(chart.resolution, chart.slots, series)
    before = find_before(question, chart)
    return Parts(chart, _make_parts(question, groups, chart, before), count, left_out), before


def _read_days(
    question: Question, first: date, until: date, *, names: Sequence[str] | None = None
) -> list[GroupSample]:
    ids = None
    if not question.filters.is_empty:
        devices = select_devices(question.account_id, question.filters)
        ids = list(devices.values_list("pk", flat=True))
    return read_group_days(
        question.account_id, unit=question.quantity.unit, first=first, until=until,
        device_ids=ids, names=names,
    )  # fmt: skip


def _put_in_order(samples: Sequence[GroupSample]) -> Groups:
    """The group that consumed most first, the rest last."""
    found: Groups = defaultdict(list)
    for sample in samples:
        found[sample.name].append(sample)
    totals = {name: sum((one.total for one in of), Decimal()) for name, of in found.items()}
    in_order = sorted(found, key=lambda name: (name is None, -totals[name], name or ""))
    return {name: found[name] for name in in_order}


def _make_parts(
    question: Question, groups: Groups, chart: Chart, before: Before | None
) -> list[Part]:
    earlier: Groups = defaultdict(list)
    if before is not None:
        names = [name for name in groups if name is not None]
        for sample in _read_days(question, before.first, before.until, names=names):
            earlier[sample.name].append(sample)
    summaries = [fold(series) for series in chart.series.values()]
    total = sum((summary.total or Decimal() for summary in summaries), Decimal())
    parts = []
    for (name, samples), (key, series) in zip(groups.items(), chart.series.items(), strict=True):
        summary = fold(series)
        title = _("Other groups") if name is None else name or _("Without a group")
        parts.append(
            Part(
                key,
                title,
                title,
                summary,
                query=urlencode({"group": name}) if name else "",
                devices_count=samples[0].devices_count,
                share=summary.total / total if summary.total is not None and total else None,
                part=fold(series[: before.days]).total if before else None,
                before=sum((one.total for one in earlier[name]), Decimal())
                if name in earlier
                else None,
                is_partial=before is not None
                and name in earlier
                and is_partial(
                    before,
                    days=sum(one.reporting_count for one in earlier[name]),
                    devices=samples[0].devices_count,
                ),
            )
        )
    return parts
