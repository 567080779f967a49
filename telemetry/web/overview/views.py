"""The overview of an account, and its two parts that stay up to date by themselves."""

from collections.abc import Mapping
from decimal import Decimal
from types import MappingProxyType
from typing import Any
from urllib.parse import urlencode

from django.http import HttpResponse
from django.shortcuts import render
from django.template.loader import render_to_string
from django.utils import timezone
from django.utils.safestring import SafeString
from django.views.decorators.gzip import gzip_page
from django.views.decorators.http import require_safe

from telemetry.models import SavedView
from telemetry.store.reads.freshness import Freshness
from telemetry.web.account_page import AccountRequest, account_page
from telemetry.web.charts.calendar import DAY
from telemetry.web.charts.params import ChartParams, list_steps
from telemetry.web.charts.period_names import name_period
from telemetry.web.charts.table import read_table
from telemetry.web.charts.to_json import to_json, to_ms, write
from telemetry.web.charts.view import ChartView, DeviceLabel, Show
from telemetry.web.conditional_get import conditional, get_freshness, make_address, make_etag
from telemetry.web.formatting import choose_places
from telemetry.web.fragment_cache import Fragments, cache_fragments
from telemetry.web.overview.changes import name_changes
from telemetry.web.overview.comparison import Comparison, Question
from telemetry.web.overview.consumption import DAYS_A_WEEK, read_cached_consumption
from telemetry.web.overview.key import list_key
from telemetry.web.overview.params import (
    OverviewParams,
    list_filter_options,
    read_overview_params,
    select_devices,
)
from telemetry.web.overview.quantities import Quantity, choose_quantity, list_quantities
from telemetry.web.overview.read import read_comparison
from telemetry.web.overview.saved import MOST_VALUED, clean_query, list_views, read_card
from telemetry.web.overview.state import read_state

STATE_S, AGGREGATES_S, VIEWS_S = 2, 10, 60
"""How old what other members see may be. A page that is opened shows readings this late."""

_PARTS = "telemetry/overview/parts"
STATE = MappingProxyType({name: f"{_PARTS}/{name}.html" for name in ("status", "latest", "alarms")})
LIVE_AGGREGATES = ("consumption", "chart", "comparison", "changes")
AGGREGATES = MappingProxyType(
    {
        "filter_bar": "telemetry/overview/filters.html",
        **{name: f"{_PARTS}/{name}.html" for name in LIVE_AGGREGATES},
    }
)


def tag_aggregates(request: AccountRequest) -> str:
    """Changes with the aggregates."""
    return get_freshness(request).tag_aggregates()


def tag_state(request: AccountRequest) -> str:
    """Changes with messages and alarms."""
    return get_freshness(request).tag_readings()


@gzip_page
@require_safe
@account_page()
def overview(request: AccountRequest) -> HttpResponse:
    """The whole page."""
    freshness = get_freshness(request)
    aggregates, state = _cache_aggregates(request, freshness), _cache_state(request, freshness)
    context = {
        "aggregates": aggregates.html,
        "state": state.html,
        "view_cards": _render_views(request, freshness),
        "save_query": clean_query(request.GET.urlencode()),
        "state_address": make_address(request, "overview-state"),
        "state_tag": make_etag(request, freshness.tag_readings()),
        "aggregates_address": make_address(request, "overview-aggregates"),
        "aggregates_tag": make_etag(request, freshness.tag_aggregates()),
    }
    return render(request, "telemetry/overview/page.html", context, status=aggregates.status)


@gzip_page
@require_safe
@account_page()
@conditional(tag_state)
def overview_state(request: AccountRequest) -> HttpResponse:
    """What changes with every message."""
    state = _cache_state(request, get_freshness(request))
    return HttpResponse("".join(state.html.values()))


@gzip_page
@require_safe
@account_page()
@conditional(tag_aggregates)
def overview_aggregates(request: AccountRequest) -> HttpResponse:
    """What changes with the refresh of the aggregates."""
    aggregates = _cache_aggregates(request, get_freshness(request))
    return HttpResponse("".join(aggregates.html[name] for name in LIVE_AGGREGATES))


def _cache_state(request: AccountRequest, freshness: Freshness) -> Fragments:
    def render_state() -> Fragments:
        context = _read_state(request, read_overview_params(request), freshness)
        return Fragments(_render(request, STATE, context))

    return cache_fragments(
        request, name="state", tag=freshness.tag_readings(), seconds=STATE_S, render=render_state
    )


def _cache_aggregates(request: AccountRequest, freshness: Freshness) -> Fragments:
    def render_aggregates() -> Fragments:
        chosen = read_overview_params(request)
        context = {
            **read_aggregates(request, chosen, freshness),
            **list_filter_options(request.account.pk, chosen),
        }
        html = _render(request, AGGREGATES, context)
        return Fragments(html, status=400 if context["errors"] else 200)

    return cache_fragments(
        request, name="aggregates", tag=freshness.tag_aggregates(), seconds=AGGREGATES_S,
        render=render_aggregates,
    )  # fmt: skip


def _render_views(request: AccountRequest, freshness: Freshness) -> list[SafeString]:
    """The cards of the views that the member sees, in their order."""
    views = list_views(request.account.pk, user_id=request.user.pk)
    return [
        _cache_view(request, view, freshness, is_valued=number < MOST_VALUED)
        for number, view in enumerate(views)
    ]


def _cache_view(
    request: AccountRequest, view: SavedView, freshness: Freshness, *, is_valued: bool
) -> SafeString:
    def render_view() -> Fragments:
        card = read_card(request, view, now=timezone.now(), valued=is_valued)
        return Fragments({"card": render_to_string(f"{_PARTS}/view_card.html", {"card": card})})

    about = f"view {view.pk} {view.name} {view.query} {view.is_shared} {is_valued}"
    cached = cache_fragments(
        request, name=about, tag=freshness.tag_aggregates(), seconds=VIEWS_S, render=render_view
    )
    return cached.html["card"]


def _render(
    request: AccountRequest, templates: Mapping[str, str], context: dict[str, Any]
) -> dict[str, SafeString]:
    return {
        name: render_to_string(template, context, request) for name, template in templates.items()
    }


def _read_state(
    request: AccountRequest, chosen: OverviewParams, freshness: Freshness
) -> dict[str, Any]:
    """Presence, newest readings, alarms."""
    params, filters = chosen.chart, chosen.filters
    account_id, ids = request.account.pk, None
    if not filters.is_empty:
        ids = list(select_devices(account_id, filters).values_list("pk", flat=True))
    state = read_state(account_id, freshness=freshness, now=params.now, device_ids=ids)
    return {"state": state, "filters": filters}


def read_aggregates(
    request: AccountRequest, chosen: OverviewParams, freshness: Freshness
) -> dict[str, Any]:
    """Consumption, the chart and its table."""
    params, filters = chosen.chart, chosen.filters
    account_id = request.account.pk
    quantities = list_quantities(account_id, filters)
    quantity, errors = choose_quantity(params.show, quantities)
    context: dict[str, Any] = {
        "params": params,
        "filters": filters,
        "errors": params.errors | errors,
        "freshness": freshness,
        "quantity": quantity,
        "quantities": [(one, params.href(show=one.key), one == quantity) for one in quantities],
        "steps": list_steps(params),
        "period_name": name_period(params.period, calendar=params.calendar),
        "period_query": urlencode(
            params.period.query | ({"show": params.show} if params.show else {})
        ),
    }
    if freshness.refreshed_at is not None:
        context["consumption"] = read_cached_consumption(
            account_id,
            calendar=params.calendar,
            now=params.now,
            refreshed_at=freshness.refreshed_at,
        )
        context["changes"] = name_changes(account_id, context["consumption"].signs.changes)
    if quantity is not None:
        question = Question(
            account_id, quantity, chosen.by, filters, params.period, params.calendar, params.now
        )
        comparison = read_comparison(question)
        totals = (row.part.summary.total or Decimal() for row in comparison.rows)
        most = max(totals, default=Decimal())
        context |= {
            "comparison": comparison,
            "places": choose_places(most, unit=quantity.unit),
            **_show(comparison, quantity, params),
        }
        consumption = context.get("consumption")
        if consumption and filters.is_empty and not quantity.is_level:
            expected = consumption.expected.get(quantity.unit, {})
            context["chart_data"]["expected"] = _list_expected(expected, params)
        context["key"] = list_key(context["chart_data"])
    return context


def _show(comparison: Comparison, quantity: Quantity, params: ChartParams) -> dict[str, Any]:
    view = ChartView(
        comparison.chart,
        params.period,
        params.calendar,
        tuple(DeviceLabel(row.part.key, row.part.name) for row in comparison.rows),
        Show.LEVEL if quantity.is_level else Show.CONSUMPTION,
        quantity.unit,
    )
    return {"chart_data": to_json(view, now=params.now), "table": read_table(view)}


def _list_expected(expected: dict[int, Decimal], params: ChartParams) -> list[list[Any]]:
    """What the days of the period after today come to, when they are as usual: their middles and
    values."""
    calendar, period = params.calendar, params.period
    first = max(period.first, calendar.day_of(params.now) + DAY)
    days = (first + number * DAY for number in range((period.end - first).days))
    if period.is_hourly or len(expected) < DAYS_A_WEEK:
        return []
    return [
        [to_ms(calendar.start_of(day) + DAY / 2), write(round(expected[day.weekday()], 4))]
        for day in days
    ]
