"""The overview of an account, and its two parts that stay up to date by themselves."""

from typing import Any

from django.http import HttpResponse
from django.shortcuts import render
from django.urls import reverse
from django.views.decorators.http import require_safe

from telemetry.models import Device, Gateway
from telemetry.store.freshness import Freshness, read_freshness
from telemetry.web.charts.drawing import draw
from telemetry.web.charts.naming import name_device
from telemetry.web.charts.picture import Named, Picture, Show
from telemetry.web.charts.table import read_table
from telemetry.web.live import live
from telemetry.web.overview.asked import Asked, read_asked
from telemetry.web.overview.comparison import Comparison, read_comparison
from telemetry.web.overview.consumption import read_consumption
from telemetry.web.overview.quantities import (
    Quantity,
    choose_quantity,
    list_quantities,
    select_devices,
)
from telemetry.web.overview.state import read_state
from telemetry.web.pages import AccountRequest, account_page

MOST_OFFERED = 200
"""Devices and gateways in the lists of the filter; the rest is found by choosing a gateway."""


def tag_figures(request: AccountRequest) -> str:
    """Changes with the aggregates."""
    return read_freshness(request.account.pk).tag_aggregates()


def tag_state(request: AccountRequest) -> str:
    """Changes with messages and alarms."""
    freshness = read_freshness(request.account.pk)
    return freshness.tag_readings(now=read_asked(request).now)


@require_safe
@account_page()
def overview(request: AccountRequest) -> HttpResponse:
    """The whole page."""
    asked, freshness = read_asked(request), read_freshness(request.account.pk)
    figures = read_figures(request, asked, freshness)
    context = {
        **figures,
        **read_moment(request, asked, freshness),
        **_offer(request, asked),
        "live_state": _address(request, "overview-state"),
        "live_figures": _address(request, "overview-figures"),
    }
    status = 400 if context["errors"] else 200
    return render(request, "telemetry/overview/page.html", context, status=status)


@require_safe
@account_page()
@live(tag_state)
def overview_state(request: AccountRequest) -> HttpResponse:
    """What changes with every message."""
    asked, freshness = read_asked(request), read_freshness(request.account.pk)
    return render(request, "telemetry/overview/state.html", read_moment(request, asked, freshness))


@require_safe
@account_page()
@live(tag_figures)
def overview_figures(request: AccountRequest) -> HttpResponse:
    """What changes with the refresh of the aggregates."""
    asked, freshness = read_asked(request), read_freshness(request.account.pk)
    return render(
        request, "telemetry/overview/figures.html", read_figures(request, asked, freshness)
    )


def read_moment(request: AccountRequest, asked: Asked, freshness: Freshness) -> dict[str, Any]:
    """Presence, newest readings, alarms."""
    ids = None
    if not asked.filters.is_empty:
        devices = select_devices(request.account.pk, asked.filters)
        ids = list(devices.values_list("pk", flat=True))
    state = read_state(request.account.pk, freshness=freshness, now=asked.now, device_ids=ids)
    return {"asked": asked, "state": state, "now": asked.now}


def read_figures(request: AccountRequest, asked: Asked, freshness: Freshness) -> dict[str, Any]:
    """Consumption, the chart and its table."""
    account_id = request.account.pk
    quantities = list_quantities(account_id, asked.filters)
    quantity, errors = choose_quantity(asked.show, quantities)
    context: dict[str, Any] = {
        "asked": asked,
        "errors": asked.errors | errors,
        "freshness": freshness,
        "quantity": quantity,
        "quantities": [(one, asked.href(show=one.key), one == quantity) for one in quantities],
    }
    if freshness.refreshed_at is not None:
        context["consumption"] = read_consumption(
            account_id, calendar=asked.calendar, now=asked.now, refreshed_at=freshness.refreshed_at
        )
    if quantity is not None:
        comparison = read_comparison(
            account_id, quantity=quantity, filters=asked.filters, period=asked.period,
            calendar=asked.calendar, now=asked.now,
        )  # fmt: skip
        context |= {"comparison": comparison, **_show(comparison, quantity, asked)}
    return context


def _show(comparison: Comparison, quantity: Quantity, asked: Asked) -> dict[str, Any]:
    picture = Picture(
        comparison.chart,
        asked.period,
        asked.calendar,
        tuple(Named(row.device.pk, row.name) for row in comparison.rows),
        Show.LEVEL if quantity.is_level else Show.CONSUMPTION,
        quantity.unit,
    )
    return {"drawing": draw(picture), "table": read_table(picture)}


def _offer(request: AccountRequest, asked: Asked) -> dict[str, Any]:
    """What the filter offers: gateways, and the devices of those that are chosen."""
    account_id, filters = request.account.pk, asked.filters
    gateways = Gateway.objects.filter(account_id=account_id).order_by("code")[: MOST_OFFERED + 1]
    devices = Device.objects.filter(account_id=account_id).select_related("gateway")
    if filters.gateways:
        devices = devices.filter(gateway__in=filters.gateways)
    offered = list(devices.order_by("gateway__code", "code")[: MOST_OFFERED + 1])
    return {
        "gateways": list(gateways[:MOST_OFFERED]),
        "devices": [(device.pk, name_device(device)) for device in offered[:MOST_OFFERED]],
        "has_more_devices": len(offered) > MOST_OFFERED,
        "kinds": Device.Kind.choices,
    }


def _address(request: AccountRequest, name: str) -> str:
    query = request.GET.urlencode()
    path = reverse(name, args=[request.account.pk])
    return f"{path}?{query}" if query else path
