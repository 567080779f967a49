"""Which devices the overview shows, and what its filter offers."""

from datetime import timedelta
from typing import Any
from urllib.parse import urlencode

from django.db.models import QuerySet
from msgspec.structs import replace

from telemetry.models import Device, Gateway
from telemetry.web.account_page import AccountRequest
from telemetry.web.charts.chart_filters import ChartFilters, parse_filters
from telemetry.web.charts.labels import format_label
from telemetry.web.charts.params import ChartParams, read_params
from telemetry.web.long_select import render_options

LONGEST = timedelta(days=91)
MOST_OFFERED = 200
"""Gateways and devices in the lists of the filter; others are found by choosing a gateway."""


def read_overview_params(request: AccountRequest) -> tuple[ChartParams, ChartFilters]:
    """What the address asks for."""
    filters, errors = parse_filters(dict(request.GET.lists()))
    params = read_params(request, longest=LONGEST, other_pairs=filters.query())
    return replace(params, errors=params.errors | errors), filters


def select_devices(account_id: int, filters: ChartFilters) -> QuerySet[Device]:
    """The account's devices that the filters let through."""
    return Device.objects.filter(account_id=account_id, **filters.conditions())


def list_filter_options(
    account_id: int, params: ChartParams, filters: ChartFilters
) -> dict[str, Any]:
    """What the filter offers: kinds, groups, gateways, and the devices of those that are chosen."""
    gateways = Gateway.objects.filter(account_id=account_id).order_by("code")
    gateway_names = gateways.values_list("pk", "code", "name")[:MOST_OFFERED]
    devices = Device.objects.filter(account_id=account_id)
    if filters.gateways:
        devices = devices.filter(gateway__in=filters.gateways)
    in_order = devices.order_by("gateway__code", "code")
    columns = ("group", "pk", "name", "gateway__code", "code")
    offered = list(in_order.values_list(*columns)[: MOST_OFFERED + 1])
    is_whole = not filters.gateways and len(offered) <= MOST_OFFERED
    return {
        "kinds": Device.Kind.choices,
        "groups": sorted({group for group, *_ in offered} - {""})
        if is_whole
        else _list_groups(account_id),
        "gateway_options": render_options(
            [(pk, f"{code} {name}".rstrip()) for pk, code, name in gateway_names],
            chosen=set(map(str, filters.gateways)),
        ),
        "device_options": render_options(
            [(pk, format_label(*names)) for _, pk, *names in offered[:MOST_OFFERED]],
            chosen=set(map(str, filters.devices)),
        ),
        "has_more_devices": len(offered) > MOST_OFFERED,
        "href_without_filters": f"?{urlencode(params.period_pairs)}",
    }


def _list_groups(account_id: int) -> list[str]:
    groups = Device.objects.filter(account_id=account_id).exclude(group="").order_by("group")
    return list(groups.values_list("group", flat=True).distinct()[:MOST_OFFERED])
