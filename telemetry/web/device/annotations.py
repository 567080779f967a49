"""What is drawn over the chart of a device: limits, marks of what happened, what is to be decided,
and the same weekdays of an earlier time."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

from django.db.models import Q
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from telemetry.core.findings import BLOCKING
from telemetry.models import AlarmRule, Device
from telemetry.store.reads.chart_series import read_day_series
from telemetry.web.charts.chart import Resolution, read_device_chart
from telemetry.web.charts.to_json import to_ms, write
from telemetry.web.charts.view import ChartView, Show, find_slot, pick
from telemetry.web.device.compare import Compared
from telemetry.web.device.events import Event, EventKind
from telemetry.web.device.flags import Flag, Flags
from telemetry.web.formatting import format_exact

LOOKED_BACK = (
    (timedelta(weeks=52), gettext_lazy("52 weeks earlier, same weekdays")),
    (timedelta(weeks=4), gettext_lazy("4 weeks earlier, same weekdays")),
)
MOST_MARKS = 12
MOST_LIMITS = 4
SUSPECT = (*BLOCKING, "reported")
LONGEST_MARK = 30


def annotate(
    account_id: int,
    view: ChartView,
    *,
    device: Device,
    events: Sequence[Event],
    flags: Flags,
    compared: Compared | None,
    now: datetime,
) -> dict[str, Any]:
    """More keys of the chart's JSON. At most two queries, or those of a chart that it is compared
    with."""
    if compared is None:
        before = _read_before(account_id, view, device)
    else:
        before = _read_compared(account_id, view, device, compared, now=now)
    return {
        "limits": _list_limits(view, device),
        "marks": [[to_ms(at), text] for at, text in _list_marks(view, events, flags)][:MOST_MARKS],
        "suspect": _list_suspect(view, flags.findings),
        "before": before,
    }


def _list_limits(view: ChartView, device: Device) -> list[list[str]]:
    """The limits of alarms: of days those of rules, else those of single readings."""
    if view.show is Show.CONSUMPTION and view.chart.resolution is Resolution.DAY:
        limits = _list_day_limits(device)
    elif view.show is Show.REGISTER or (
        view.show is Show.CONSUMPTION and view.chart.resolution is not Resolution.READING
    ):
        return []
    else:
        limits = [device.alarm_low, device.alarm_high]
    text = _("Limit %(limit)s")
    return [
        [write(limit) or "", text % {"limit": format_exact(limit, unit=view.unit)}]
        for limit in limits
        if limit is not None
    ]


def _list_day_limits(device: Device) -> list[Decimal | None]:
    """Of the rules that watch what the device consumes in a day. One query."""
    of_device = Q(device=device) | Q(device=None, gateway=None) | Q(gateway_id=device.gateway_id)
    rules = AlarmRule.objects.filter(
        of_device, account_id=device.account_id, kind="day", is_active=True
    )
    limits = set(rules.values_list("limit", flat=True)[:MOST_LIMITS]) - {None}
    return sorted(limits, key=lambda limit: limit or 0)


def _list_marks(
    view: ChartView, events: Sequence[Event], flags: Flags
) -> list[tuple[datetime, str]]:
    since, until = view.period.since, view.period.until
    replaced = (event.at for event in events if event.kind is EventKind.METER)
    marks = [(at, _("Meter replaced")) for at in replaced if since < at <= until]
    marks += [(max(edit.since, since), _("Edited")) for edit in flags.edits]
    noted = ((view.calendar.start_of(note.day), note.text) for note in flags.notes)
    marks += [(at, shorten(text)) for at, text in noted if since <= at < until]
    return sorted(marks)


def shorten(text: str) -> str:
    """As much of it as stands over a chart."""
    return text if len(text) <= LONGEST_MARK else f"{text[: LONGEST_MARK - 1].rstrip()}\u2026"


def _list_suspect(view: ChartView, findings: Sequence[Flag]) -> list[int]:
    """The indexes of slots with readings that somebody should decide."""
    of_values = [finding for finding in findings if finding.rule in SUSPECT]
    slots = {find_slot(view, finding.since) for finding in of_values}
    return sorted(slots - {-1})


def _read_before(account_id: int, view: ChartView, device: Device) -> dict[str, Any] | None:
    """The same weekdays of the year before, or of four weeks before where there was none."""
    chart = view.chart
    is_daily = view.show is Show.CONSUMPTION and chart.resolution is Resolution.DAY
    if not is_daily or not chart.series:
        return None
    for back, text in LOOKED_BACK:
        first, until = view.period.first - back, view.period.end - back
        days = read_day_series(account_id, device_ids=[device.pk], first=first, until=until)
        if 2 * len(days.get(device.pk, ())) >= len(chart.slots):
            totals = {sample.start: sample.total for sample in days[device.pk]}
            values = [write(totals.get(slot - back)) for slot in chart.slots]
            return {"label": str(text), "values": values}
    return None


def _read_compared(
    account_id: int, view: ChartView, device: Device, compared: Compared, *, now: datetime
) -> dict[str, Any] | None:
    """The other period, moved to where the one that is shown is. Bars are compared with bars."""
    calendar = view.calendar
    chart = read_device_chart(
        account_id, device=device, period=compared.period, calendar=calendar, now=now,
        is_counted=view.show is Show.CONSUMPTION,
    )  # fmt: skip
    bars = (Resolution.DAY, Resolution.HOUR)
    is_alike = (chart.resolution in bars) == (view.chart.resolution in bars)
    if not chart.series or not (is_alike or view.show is not Show.CONSUMPTION):
        return None
    other = ChartView(chart, compared.period, calendar, view.devices, view.show, view.unit)
    middles = (start + (end - start) / 2 for start, end in other.spans)
    [(_name, series)] = other.list_series()
    return {
        "label": compared.name,
        "at": [to_ms(compared.align(at, calendar=calendar)) for at in middles],
        "labels": other.slot_labels,
        "values": [None if one is None else write(pick(one, view.show)) for one in series],
    }


def list_key(chart_data: dict[str, Any]) -> list[tuple[str, str]]:
    """Classes and texts of what the chart holds; nothing where a line stands alone."""
    series = chart_data["series"]
    if not series:
        return []
    before = chart_data["before"]
    if chart_data["show"] != Show.CONSUMPTION:
        return [("line", _("Measured")), ("dashed", before["label"])] if before else []
    key = [("measured", _("Measured"))]
    if "estimated" in series[0]:
        key.append(("hatched", _("Estimated")))
    if chart_data["suspect"]:
        key.append(("suspect", _("To decide")))
    if chart_data["current"] >= 0:
        key.append(("soft", _("In progress")))
    if before:
        key.append(("outlined", before["label"]))
    return key
