"""The page of a device, and its two parts that stay up to date by themselves."""

from typing import Any

from django.http import Http404, HttpResponse
from django.shortcuts import render
from django.urls import reverse
from django.views.decorators.gzip import gzip_page
from django.views.decorators.http import require_safe

from telemetry.models import Alarm, Device
from telemetry.store.reads.chart_series import LONGEST_RAW
from telemetry.store.reads.device_events import read_refused
from telemetry.store.reads.freshness import Freshness
from telemetry.store.reads.latest_by_device import read_newest
from telemetry.web.charts.asked import Asked, read_asked
from telemetry.web.charts.chart import read_close_up
from telemetry.web.charts.drawing import draw
from telemetry.web.charts.naming import name_device
from telemetry.web.charts.period import Period, Span
from telemetry.web.charts.picture import Named, Picture, Show
from telemetry.web.charts.table import read_table
from telemetry.web.device.asked import (
    LONGEST,
    TITLES,
    list_figures,
    list_steps,
    read_device_asked,
)
from telemetry.web.device.events import list_events
from telemetry.web.device.figures import read_so_far
from telemetry.web.device.months import list_months
from telemetry.web.live import live, look, write_tag
from telemetry.web.pages import AccountRequest, account_page

MOST_REFUSED = 10


def tag_state(request: AccountRequest, device_id: int) -> str:
    """Changes with messages and alarms."""
    return look(request).tag_readings()


def tag_figures(request: AccountRequest, device_id: int) -> str:
    """Changes with the aggregates; with messages, where single readings are shown."""
    period = read_asked(request, longest=LONGEST).period
    return _tag_figures(look(request), period)


@gzip_page
@require_safe
@account_page()
def device(request: AccountRequest, device_id: int) -> HttpResponse:
    """The whole page."""
    found = _find_device(request, device_id)
    asked, show = read_device_asked(request, device=found)
    freshness = look(request)
    context = {
        **_read_figures(request, found, asked, show, freshness),
        **_read_state(request, found, asked),
        "figures": list_figures(asked, device=found, show=show),
        "steps": list_steps(asked),
        "title": TITLES[show],
        "zoom_href": asked.href(period={"period": Span.ZOOM}),
        "state_address": _address(request, "device-state", device_id),
        "state_tag": write_tag(request, freshness.tag_readings()),
        "figures_address": _address(request, "device-figures", device_id),
        "figures_tag": write_tag(request, _tag_figures(freshness, asked.period)),
        "events": list_events(request.account.pk, device=found, calendar=asked.calendar),
        "refused": read_refused(
            request.account.pk, mac=found.gateway.mac, code=found.code, most=MOST_REFUSED
        ),
    }
    status = 400 if asked.errors else 200
    return render(request, "telemetry/device/page.html", context, status=status)


@gzip_page
@require_safe
@account_page()
@live(tag_state)
def device_state(request: AccountRequest, device_id: int) -> HttpResponse:
    """What changes with every message."""
    found = _find_device(request, device_id)
    asked = read_asked(request, longest=LONGEST)
    return render(request, "telemetry/device/parts/state.html", _read_state(request, found, asked))


@gzip_page
@require_safe
@account_page()
@live(tag_figures)
def device_figures(request: AccountRequest, device_id: int) -> HttpResponse:
    """What changes with the refresh of the aggregates."""
    found = _find_device(request, device_id)
    asked, show = read_device_asked(request, device=found)
    freshness = look(request)
    context = _read_figures(request, found, asked, show, freshness)
    return render(request, "telemetry/device/figures.html", context)


def _tag_figures(freshness: Freshness, period: Period) -> str:
    if period.until - period.since <= LONGEST_RAW and period.until > freshness.at:
        return f"{freshness.tag_aggregates()} {freshness.tag_readings()}"
    return freshness.tag_aggregates()


def _find_device(request: AccountRequest, device_id: int) -> Device:
    found = (
        Device.objects.filter(account=request.account, pk=device_id)
        .select_related("gateway")
        .first()
    )
    if found is None:
        raise Http404
    return found


def _read_state(request: AccountRequest, device: Device, asked: Asked) -> dict[str, Any]:
    """The newest reading, presence, open alarms."""
    account_id = request.account.pk
    newest = read_newest(account_id, device_ids=[device.pk], now=asked.now)
    open_alarms = Alarm.objects.filter(account_id=account_id, device=device, closed_at=None)
    return {
        "device": device,
        "newest": newest.get(device.pk),
        "open_alarms": list(open_alarms.order_by("-opened_at")),
    }


def _read_figures(
    request: AccountRequest, device: Device, asked: Asked, show: Show, freshness: Freshness
) -> dict[str, Any]:
    """The chart and its table, today and this month, the months."""
    account_id, calendar = request.account.pk, asked.calendar
    chart = read_close_up(
        account_id, device=device, period=asked.period, calendar=calendar, now=asked.now
    )
    named = Named(device.pk, name_device(device))
    picture = Picture(chart, asked.period, calendar, (named,), show, device.unit)
    return {
        "asked": asked,
        "errors": asked.errors,
        "device": device,
        "freshness": freshness,
        "drawing": draw(picture),
        "table": read_table(picture),
        "so_far": read_so_far(account_id, device=device, calendar=calendar, now=asked.now),
        "months": list_months(account_id, device=device),
    }


def _address(request: AccountRequest, name: str, device_id: int) -> str:
    query = request.GET.urlencode()
    path = reverse(name, args=[request.account.pk, device_id])
    return f"{path}?{query}" if query else path
