"""The list of an account's gateways."""

from django import forms
from django.db.models import Count, Q, QuerySet
from django.http import HttpResponse
from django.shortcuts import render
from django.utils.translation import gettext_lazy as _
from msgspec import Struct

from telemetry.models import Gateway
from telemetry.store.reads.gateway_activity import MOST_DEAD_LETTERS, count_pending_dead_letters
from telemetry.web.account_page import AccountRequest, account_page
from telemetry.web.filters import Filters
from telemetry.web.fleet.states import GATEWAY_CONDITIONS, GatewayState, find_gateway_state
from telemetry.web.paging import read_page

LIST = "telemetry/fleet/gateways.html"


class GatewayRow(Struct, frozen=True):
    """A gateway as the list shows it. `dead_letters`: the pending ones, counted up to a limit."""

    gateway: Gateway
    state: GatewayState
    dead_letters: int

    @property
    def has_more_dead_letters(self) -> bool:
        """Whether there may be more than were counted."""
        return self.dead_letters >= MOST_DEAD_LETTERS


class GatewayFilters(Filters):
    """Which gateways are listed."""

    state = forms.ChoiceField(
        label=_("State"), required=False, choices=[("", _("All")), *GatewayState.choices]
    )
    field_order = ("search", "state")

    def list_gateways(self) -> QuerySet[Gateway]:
        """The account's gateways that match, by code."""
        chosen = self.cleaned_data
        gateways = Gateway.objects.filter(account=self.account)
        if search := chosen["search"]:
            gateways = gateways.filter(
                Q(code__icontains=search)
                | Q(name__icontains=search)
                | Q(location__icontains=search)
                | Q(mac__icontains=search)
            )
        if chosen["state"]:
            gateways = gateways.filter(GATEWAY_CONDITIONS[GatewayState(chosen["state"])])
        return gateways.annotate(devices_count=Count("devices")).order_by("code", "pk")


@account_page()
def gateways(request: AccountRequest) -> HttpResponse:
    """Gateways with their presence, a page of them."""
    filters = GatewayFilters(request.GET, account=request.account)
    if not filters.is_valid():
        return render(request, LIST, {"filters": filters}, status=400)
    page = read_page(filters.list_gateways(), number=filters.cleaned_data["page"], is_counted=True)
    dead_letters = count_pending_dead_letters(
        request.account.pk, macs=[gateway.mac for gateway in page.rows]
    )
    rows = [
        GatewayRow(gateway, find_gateway_state(gateway), dead_letters.get(gateway.mac, 0))
        for gateway in page.rows
    ]
    return render(request, LIST, {"filters": filters, "page": page, "rows": rows})
