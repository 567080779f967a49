"""Views that members saved: a card each on the overview, with what it comes to."""

from collections.abc import Sequence
from datetime import datetime

from django.db.models import Q
from django.http import QueryDict
from msgspec import Struct

from telemetry.models import SavedView
from telemetry.store.reads.account_totals import Parts, read_parts
from telemetry.web.account_page import AccountRequest
from telemetry.web.charts.calendar import DAY, Calendar
from telemetry.web.charts.chart_filters import parse_filters
from telemetry.web.charts.params import read_calendar
from telemetry.web.charts.period import Period, Span, parse_period
from telemetry.web.charts.period_names import (
    count_days_so_far,
    list_days_beside,
    name_period,
)
from telemetry.web.overview.params import LONGEST, select_devices
from telemetry.web.overview.parting import TEXTS, USUAL, parse_by
from telemetry.web.overview.quantities import choose_quantity, list_quantities

MOST_SHOWN = 12
MOST_VALUED = 6
"""Cards that have a value: each takes three queries after a refresh."""
NOT_SAVED = ("view", "page")


class ViewCard(Struct, frozen=True):
    """A saved view as the overview shows it. `parts` is None for levels and for hours, and where
    nothing is known."""

    view: SavedView
    href: str
    period: str
    unit: str = ""
    parts: Parts | None = None
    other: str = ""


def list_views(account_id: int, *, user_id: int) -> list[SavedView]:
    """Those of the user and those that are shared, by name."""
    mine = Q(created_by_id=user_id) | Q(is_shared=True)
    views = SavedView.objects.filter(mine, account_id=account_id)
    return list(views.select_related("created_by").order_by("name", "pk")[:MOST_SHOWN])


def clean_query(text: str) -> str:
    """The parameters of an overview that a view keeps, as an address has them."""
    query = QueryDict(text, mutable=True)
    for name in NOT_SAVED:
        query.pop(name, None)
    return query.urlencode()


def read_card(request: AccountRequest, view: SavedView, *, now: datetime, valued: bool) -> ViewCard:
    """A card, of the quantity that its page shows. Three queries where it has a value."""
    calendar = read_calendar(request.account)
    query = QueryDict(view.query)
    period, _ = parse_period(query.dict(), calendar=calendar, now=now, longest=LONGEST)
    by, _ = parse_by(dict(query.lists()))
    about = name_period(period, calendar=calendar)
    about = about if by is USUAL else f"{about} · {TEXTS[by]}"
    card = ViewCard(view, f"?{view.query}", about)
    is_clock = period.span in (Span.DAY, Span.ZOOM) and period.is_hourly
    if not valued or is_clock:
        return card
    filters, _ = parse_filters(dict(query.lists()))
    quantities = list_quantities(request.account.pk, filters)
    quantity, errors = choose_quantity(query.get("show", ""), quantities)
    if quantity is None or quantity.is_level or errors:
        return card
    devices = select_devices(request.account.pk, filters).exclude(measurement="gauge")
    ids = list(devices.filter(unit=quantity.unit).values_list("pk", flat=True))
    return _value(request, card, ids, quantity.unit, period, calendar=calendar, now=now)


def _value(
    request: AccountRequest,
    card: ViewCard,
    ids: Sequence[int],
    unit: str,
    period: Period,
    *,
    calendar: Calendar,
    now: datetime,
) -> ViewCard:
    days = count_days_so_far(period, today=calendar.day_of(now))
    end = period.first + days * DAY
    beside = list_days_beside(period, calendar=calendar, days=days * DAY)
    name, first, until = beside[0] if beside else ("", period.first, period.first + DAY)
    parts = read_parts(
        request.account.pk, device_ids=ids, unit=unit, period=(period.first, period.end),
        part_until=end, other=(first, until),
    )  # fmt: skip
    if not beside:
        parts = Parts(parts.total, None, None)
    return ViewCard(card.view, card.href, card.period, unit, parts, name)
