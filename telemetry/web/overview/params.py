"""Which devices the overview shows, and what its filter offers."""

from datetime import timedelta
from typing import Any
from urllib.parse import urlencode

from django.db.models import Exists, QuerySet
from msgspec import Struct
from msgspec.structs import replace

from telemetry.models import BandPeriod, Device, Gateway
from telemetry.web.account_page import AccountRequest
from telemetry.web.charts.chart_filters import ChartFilters, parse_filters
from telemetry.web.charts.labels import format_label
from telemetry.web.charts.params import ChartParams, read_params
from telemetry.web.long_select import render_options
from telemetry.web.overview.parting import By, list_choices, parse_by, to_pairs

LONGEST = timedelta(days=91)
MOST_OFFERED = 200
"""Gateways and devices in the lists of the filter; others are found by choosing a gateway."""


class OverviewParams(Struct, frozen=True):
    """What the address asks for: the period and the quantity, which devices, and by what the bars
    are parted."""

    chart: ChartParams
    filters: ChartFilters
    by: By


def read_overview_params(request: AccountRequest) -> OverviewParams:
    """Parsed; with messages where that failed."""
    values = dict(request.GET.lists())
    filters, errors = parse_filters(values)
    by, by_errors = parse_by(values)
    params = read_params(request, longest=LONGEST, other_pairs=filters.query())
    errors = params.errors | errors | by_errors
    return OverviewParams(replace(params, errors=errors, lasting=to_pairs(by)), filters, by)


def select_devices(account_id: int, filters: ChartFilters) -> QuerySet[Device]:
    """The account's devices that the filters let through."""
    return Device.objects.filter(account_id=account_id, **filters.conditions())


def list_filter_options(account_id: int, chosen: OverviewParams) -> dict[str, Any]:
    """What the filter offers: kinds, groups, gateways, and the devices of those that are chosen;
    and by what the bars can be parted."""
    params, filters = chosen.chart, chosen.filters
    gateways = Gateway.objects.filter(account_id=account_id).order_by("code")
    gateway_names = gateways.values_list("pk", "code", "name")[:MOST_OFFERED]
    devices = Device.objects.filter(account_id=account_id)
    if filters.gateways:
        devices = devices.filter(gateway__in=filters.gateways)
    in_order = devices.order_by("gateway__code", "code")
    columns = ("has_bands", "group", "pk", "name", "gateway__code", "code")
    in_order = in_order.annotate(has_bands=Exists(BandPeriod.objects.filter(account_id=account_id)))
    offered = list(in_order.values_list(*columns)[: MOST_OFFERED + 1])
    is_whole = not filters.gateways and len(offered) <= MOST_OFFERED
    if is_whole:
        groups = sorted({group for _, group, *_ in offered} - {""})
    else:
        groups = _list_groups(account_id)
    return {
        "kinds": Device.Kind.choices,
        "groups": groups,
        "partings": list_choices(
            params, by=chosen.by, has_groups=bool(groups), has_bands=any(row[0] for row in offered)
        ),
        "gateway_options": render_options(
            [(pk, f"{code} {name}".rstrip()) for pk, code, name in gateway_names],
            chosen=set(map(str, filters.gateways)),
        ),
        "device_options": render_options(
            [(pk, format_label(*names)) for _, _, pk, *names in offered[:MOST_OFFERED]],
            chosen=set(map(str, filters.devices)),
        ),
        "has_more_devices": len(offered) > MOST_OFFERED,
        "href_without_filters": f"?{urlencode(params.period_pairs)}",
    }


def _list_groups(account_id: int) -> list[str]:
    groups = Device.objects.filter(account_id=account_id).exclude(group="").order_by("group")
    return list(groups.values_list("group", flat=True).distinct()[:MOST_OFFERED])
