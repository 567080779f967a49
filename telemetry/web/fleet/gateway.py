"""One gateway: its presence, its devices, its dead letters."""

from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

from django.db.models import F, OuterRef, QuerySet, Subquery
from django.http import HttpResponse
from django.shortcuts import get_object_or_404, render
from django.utils import timezone
from msgspec import Struct

from telemetry.core.shown_payload import show_payload
from telemetry.models import Assignment, DeadLetter, Device, Gateway
from telemetry.store.reads.gateway_activity import Span, measure_uptime, read_presence
from telemetry.web.account_page import AccountRequest, account_page
from telemetry.web.fleet.rows import read_rows
from telemetry.web.fleet.states import find_gateway_state, has_open_alarm
from telemetry.web.paging import read_page

UPTIME = timedelta(days=7)
LISTED_EVENTS = 20
LISTED_DEVICES = 50
LISTED_DEAD_LETTERS = 10
PAYLOAD_CHARACTERS = 2_000
STRIP_WIDTH = 1_000
MOST_BARS = 500


class Bar(Struct, frozen=True):
    """A span in the strip of presence, in its coordinates."""

    span: Span
    x: str
    width: str


class ShownDeadLetter(Struct, frozen=True):
    """A dead letter with the beginning of its payload."""

    row: DeadLetter
    payload: str
    is_cut: bool


@account_page()
def gateway(request: AccountRequest, gateway_id: int) -> HttpResponse:
    """A gateway of the account; 404 for every other one."""
    # Since when it is the account's, where a move is known: what was before is another one's.
    assignments = Assignment.objects.filter(gateway=OuterRef("pk"), account=request.account)
    last = assignments.order_by(F("since").desc(nulls_last=True)).values("since")[:1]
    gateways: Any = Gateway.objects.annotate(came=Subquery(last))
    shown = get_object_or_404(gateways, pk=gateway_id, account=request.account)
    came = shown.came
    now = timezone.now()
    since = now - UPTIME if came is None else max(came, now - UPTIME)
    spans = read_presence(shown.pk, since=since, until=now)
    events = shown.events.all() if came is None else shown.events.filter(at__gte=came)
    devices = read_page(_list_devices(shown), number=1, size=LISTED_DEVICES)
    context = {
        "gateway": shown,
        "state": find_gateway_state(shown),
        "uptime": measure_uptime(spans),
        "bars": make_bars(spans, since=now - UPTIME, until=now),
        "strip_width": STRIP_WIDTH,
        "since": now - UPTIME,
        "first_known": spans[0].start if spans else None,
        "events": list(events.order_by("-at", "-id")[:LISTED_EVENTS]),
        "devices": devices,
        "rows": read_rows(devices, account_id=request.account.pk),
        "dead_letters": [shorten_payload(row) for row in _list_dead_letters(shown)],
    }
    return render(request, "telemetry/fleet/gateway.html", context)


def make_bars(spans: list[Span], *, since: datetime, until: datetime) -> list[Bar]:
    """The latest spans as bars, as wide as they are long. Bars too thin to be seen have a width."""
    scale = Decimal(STRIP_WIDTH) / Decimal((until - since) // timedelta(seconds=1))
    bars = []
    for span in spans[-MOST_BARS:]:
        x = scale * Decimal((span.start - since) // timedelta(seconds=1))
        width = scale * Decimal((span.end - span.start) // timedelta(seconds=1))
        bars.append(Bar(span, f"{x:.1f}", f"{max(width, Decimal(1)):.1f}"))
    return bars


def shorten_payload(row: DeadLetter) -> ShownDeadLetter:
    """A dead letter with what is shown of its payload."""
    shown = show_payload(bytes(row.payload))
    is_cut = shown.is_cut or len(shown.text) > PAYLOAD_CHARACTERS
    return ShownDeadLetter(row, shown.text[:PAYLOAD_CHARACTERS], is_cut)


def _list_devices(gateway: Gateway) -> QuerySet[Device]:
    devices = Device.objects.filter(gateway=gateway).select_related("gateway")
    return devices.annotate(has_alarm=has_open_alarm()).order_by("code")


def _list_dead_letters(gateway: Gateway) -> QuerySet[DeadLetter]:
    dead_letters = DeadLetter.objects.filter(mac=gateway.mac, account=gateway.account_id)
    return dead_letters.order_by("-last_seen", "-id")[:LISTED_DEAD_LETTERS]
