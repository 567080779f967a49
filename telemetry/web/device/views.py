"""The page of a device, and its two parts that stay up to date by themselves."""

from decimal import Decimal
from typing import Any

from django.http import HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.gzip import gzip_page
from django.views.decorators.http import require_safe

from telemetry.models import Alarm, Device
from telemetry.store.reads.chart_series import LONGEST_RAW
from telemetry.store.reads.device_events import read_rejected
from telemetry.store.reads.freshness import Freshness
from telemetry.store.reads.latest_by_device import NewestReading, read_newest, read_newest_times
from telemetry.web.account_page import AccountRequest, account_page
from telemetry.web.charts.chart import read_device_chart
from telemetry.web.charts.intervals import infer_interval
from telemetry.web.charts.labels import label_device
from telemetry.web.charts.params import ChartParams, list_steps, read_params
from telemetry.web.charts.period import Period, Span
from telemetry.web.charts.table import read_table
from telemetry.web.charts.to_json import to_json
from telemetry.web.charts.view import ChartView, DeviceLabel, Show
from telemetry.web.conditional_get import conditional, get_freshness, make_address, make_etag
from telemetry.web.device.annotations import annotate, list_key
from telemetry.web.device.events import list_events, sort_events
from telemetry.web.device.flags import list_notes, read_flags
from telemetry.web.device.headline import read_headline
from telemetry.web.device.months import list_months
from telemetry.web.device.params import (
    LONGEST,
    TITLES,
    DeviceParams,
    list_comparisons,
    list_quantities,
    read_device_params,
)
from telemetry.web.device.shown import ShownDevice, find_shown, read_stays
from telemetry.web.formatting import choose_places

MOST_DEAD_LETTERS = 10


def tag_state(request: AccountRequest, device_id: int) -> str:
    """Changes with messages and alarms."""
    return get_freshness(request).tag_readings()


def tag_chart(request: AccountRequest, device_id: int) -> str:
    """Changes with the aggregates; with messages, where single readings are shown."""
    period = read_params(request, longest=LONGEST).period
    return _tag_chart(get_freshness(request), period)


@gzip_page
@require_safe
@account_page()
def device(request: AccountRequest, device_id: int) -> HttpResponse:
    """The whole page. Of a device that moved away, the last month that it has here is shown
    first."""
    shown = find_shown(request, device_id)
    found = shown.device
    chosen = read_device_params(request, device=found)
    params, show = chosen.chart, chosen.show
    freshness = get_freshness(request)
    state = _read_state(request, shown, params)
    whole = _read_chart_and_months(request, shown, chosen, freshness)
    if shown.former and not request.GET and whole["months"]:
        return redirect(f"{request.path}?period=month&month={whole['months'][0].consumption.month}")
    context = {
        **whole,
        "comparisons": list_comparisons(chosen),
        **state,
        "inferred_interval_s": _infer_interval(found, state["newest"]),
        "quantities": list_quantities(params, device=found, show=show),
        "steps": list_steps(params),
        "title": TITLES[show],
        "zoom_href": params.href(period={"period": Span.ZOOM}),
        "state_address": make_address(request, "device-state", device_id),
        "state_tag": make_etag(request, freshness.tag_readings()),
        "chart_address": make_address(request, "device-chart", device_id),
        "chart_tag": make_etag(request, _tag_chart(freshness, params.period)),
        "dead_letters": []
        if shown.former
        else read_rejected(
            request.account.pk, mac=found.gateway.mac, code=found.code, most=MOST_DEAD_LETTERS
        ),
    }
    status = 400 if params.errors else 200
    return render(request, "telemetry/device/page.html", context, status=status)


@gzip_page
@require_safe
@account_page()
@conditional(tag_state)
def device_state(request: AccountRequest, device_id: int) -> HttpResponse:
    """What changes with every message."""
    shown = find_shown(request, device_id)
    params = read_params(request, longest=LONGEST)
    return render(request, "telemetry/device/parts/state.html", _read_state(request, shown, params))


@gzip_page
@require_safe
@account_page()
@conditional(tag_chart)
def device_chart(request: AccountRequest, device_id: int) -> HttpResponse:
    """The chart and the months, which change as `tag_chart` says."""
    shown = find_shown(request, device_id)
    chosen = read_device_params(request, device=shown.device)
    context = _read_chart_and_months(request, shown, chosen, get_freshness(request))
    return render(request, "telemetry/device/chart_and_months.html", context)


def _tag_chart(freshness: Freshness, period: Period) -> str:
    if period.until - period.since <= LONGEST_RAW and period.until > freshness.at:
        return f"{freshness.tag_aggregates()} {freshness.tag_readings()}"
    return freshness.tag_aggregates()


def _read_state(request: AccountRequest, shown: ShownDevice, params: ChartParams) -> dict[str, Any]:
    """The newest reading, presence, open alarms."""
    account_id, device = request.account.pk, shown.device
    newest = read_newest(account_id, device_ids=[device.pk], now=params.now)
    open_alarms = Alarm.objects.filter(account_id=account_id, device=device, closed_at=None)
    return {
        "device": device,
        "is_former": shown.former is not None,
        "newest": newest.get(device.pk),
        "open_alarms": list(open_alarms.order_by("-opened_at")),
    }


def _infer_interval(device: Device, newest: NewestReading | None) -> int | None:
    """How often a device without an interval sends. One query."""
    if device.interval_s is not None or newest is None:
        return None
    times = read_newest_times(device.account_id, device_id=device.pk, until=newest.time)
    return infer_interval(times)


def _read_chart_and_months(
    request: AccountRequest, shown: ShownDevice, chosen: DeviceParams, freshness: Freshness
) -> dict[str, Any]:
    """The chart and its table (hours, days, minutes or single readings), today, the months."""
    device = shown.device
    params, show, compared = chosen.chart, chosen.show, chosen.comparison.compared
    account_id, calendar = request.account.pk, params.calendar
    chart = read_device_chart(
        account_id, device=device, period=params.period, calendar=calendar, now=params.now,
        is_counted=show is Show.CONSUMPTION,
    )  # fmt: skip
    named = DeviceLabel(device.pk, label_device(device))
    view = ChartView(chart, params.period, calendar, (named,), show, device.unit)
    stays = read_stays(shown, zone=calendar.zone)
    events = list_events(account_id, device=device, times=stays.times)
    flags = read_flags(account_id, device=device, period=params.period)
    chart_data = to_json(view, now=params.now) | annotate(
        account_id, view, device=device, events=events, flags=flags,
        compared=compared, now=params.now,
    )  # fmt: skip
    current = calendar.month_of(calendar.day_of(params.now))
    months = list_months(account_id, device=device, current=current)
    most = max((month.consumption.total or Decimal() for month in months), default=Decimal())
    return {
        "headline": read_headline(
            account_id,
            device=device,
            chart=chart,
            period=params.period,
            calendar=calendar,
            now=params.now,
            compared=compared,
        ),
        "events": sort_events([*events, *list_notes(flags, calendar=calendar)]),
        "stays": stays,
        "findings": flags.findings,
        "params": params,
        "comparison": chosen.comparison,
        "errors": params.errors,
        "device": device,
        "freshness": freshness,
        "chart_data": chart_data,
        "key": list_key(chart_data),
        "chosen_month": params.period.first if params.period.span is Span.MONTH else None,
        "table": read_table(view),
        "months": months,
        "month_places": choose_places(most, unit=device.unit),
    }
