"""A screen on a wall: one account, large, dark, live, for whoever has the link. No sign-in."""

from collections.abc import Callable
from functools import wraps
from typing import Any

from django.http import Http404, HttpResponse, HttpResponseBase
from django.shortcuts import render
from django.urls import reverse
from django.utils import timezone
from django.views.decorators.cache import cache_control
from django.views.decorators.gzip import gzip_page
from django.views.decorators.http import require_safe

from telemetry.accounts.kiosks import find_link, record_use
from telemetry.store.db.account_scope import open_account
from telemetry.web.account_page import AccountRequest
from telemetry.web.conditional_get import conditional, get_freshness, make_etag
from telemetry.web.overview.params import read_overview_params
from telemetry.web.overview.state import read_state
from telemetry.web.overview.views import read_aggregates

PARTS = "telemetry/kiosk/parts.html"


def kiosk_page(view: Callable[..., HttpResponseBase]) -> Callable[..., HttpResponseBase]:
    """A view below `kiosk/<secret>/`: 404 without a valid link. It gets an account and no user."""

    @wraps(view)
    def guarded(request: Any, secret: str) -> HttpResponseBase:
        link = find_link(secret)
        if link is None:
            raise Http404
        open_account(link.account_id)
        record_use(link, now=timezone.now())
        request.account = link.account
        with timezone.override(link.account.time_zone):
            return view(request, secret)

    return guarded


def tag_screen(request: AccountRequest, secret: str) -> str:
    """Changes with messages, alarms and aggregates."""
    freshness = get_freshness(request)
    return f"kiosk {freshness.tag_readings()} {freshness.tag_aggregates()}"


@gzip_page
@require_safe
@cache_control(private=True, no_store=True)
@kiosk_page
def kiosk(request: AccountRequest, secret: str) -> HttpResponse:
    """The whole page."""
    context = {
        **_read(request),
        "live_address": reverse("kiosk-live", args=[secret]),
        "live_tag": make_etag(request, tag_screen(request, secret)),
    }
    return render(request, "telemetry/kiosk/page.html", context)


@gzip_page
@require_safe
@kiosk_page
@conditional(tag_screen)
def kiosk_live(request: AccountRequest, secret: str) -> HttpResponse:
    """What changes."""
    return render(request, PARTS, _read(request))


def _read(request: AccountRequest) -> dict[str, Any]:
    chosen = read_overview_params(request)
    freshness = get_freshness(request)
    state = read_state(
        request.account.pk, freshness=freshness, now=chosen.chart.now, device_ids=None
    )
    return {
        **read_aggregates(request, chosen, freshness),
        "state": state,
        "account": request.account,
        "now": chosen.chart.now,
    }
