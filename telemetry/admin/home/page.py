"""Fills the home's template (`DASHBOARD_CALLBACK` of django-unfold)."""

from datetime import timedelta
from typing import Any

from auditlog.models import LogEntry
from django.contrib import admin
from django.db.models import Count
from django.http import HttpRequest
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from telemetry import models
from telemetry.accounts.staff import sees_every_account
from telemetry.admin.home.cards import list_cards, may_view, write_count
from telemetry.admin.home.chart import make_chart
from telemetry.admin.home.needs import make_headline
from telemetry.admin.home.state import read_home
from telemetry.admin.sidebar import list_link
from telemetry.certificates.status import find_ending
from telemetry.changes.texts import list_fields, name_action, name_actor

ENDING_WITHIN = timedelta(days=30)

admin.site.index_template = "telemetry/admin/home.html"


def fill_home(request: HttpRequest, context: dict[str, Any]) -> dict[str, Any]:
    """The context of the home."""
    now = timezone.now()
    sees_all = sees_every_account(request.user)
    state = read_home(now=now, sees_all=sees_all)
    return {
        **context,
        "now": now,
        "headline": make_headline(state, request, sees_all=sees_all),
        "cards": list_cards(state, request, sees_all=sees_all),
        "chart": make_chart(state.quarters, now=now) if sees_all else None,
        "batches_link": list_link(models.Batch),
        "dead_letters_link": list_link(models.DeadLetterGroup),
        "coming": _list_coming(request),
        "changes": [
            (entry, name_actor(entry), list_fields(entry), name_action(entry))
            for entry in state.changes
        ],
        "changes_link": list_link(LogEntry),
        "is_all_open": "all" in request.GET,
        "has_no_account": not sees_all and getattr(request, "given_account", None) is None,
    }


def _list_coming(request: HttpRequest) -> list[tuple[str, str, str, str]]:
    """What is coming up: title, detail, label and address of a link."""
    coming = []
    if may_view(request, models.ClosedMonth):
        coming += _list_open_months()
    if may_view(request, models.Certificate):
        ending = find_ending(before=timezone.now() + ENDING_WITHIN)
        count = ending.count()
        first = ending.first() if count else None
        if first is not None:
            title = ngettext(
                "%(count)s certificate ends within 30 days",
                "%(count)s certificates end within 30 days",
                count,
            ) % {"count": write_count(count)}
            text = _("First on %(day)s: %(name)s") % {
                "day": f"{timezone.localtime(first.not_after):%Y-%m-%d}",
                "name": first.common_name,
            }
            coming.append((title, text, _("Show"), list_link(models.Certificate)))
    return coming


def _list_open_months() -> list[tuple[str, str, str, str]]:
    """How many accounts closed the newest month that anybody closed."""
    newest = (
        models.ClosedMonth.objects.order_by("-month")
        .values("month")
        .annotate(count=Count("account"))
        .first()
    )
    if newest is None:
        return []
    accounts = models.Account.objects.filter(is_active=True).count()
    title = _("%(month)s: %(closed)s of %(accounts)s accounts closed") % {
        "month": f"{newest['month']:%Y-%m}",
        "closed": write_count(newest["count"]),
        "accounts": write_count(accounts),
    }
    text = _("The newest month that was closed")
    return [(title, text, _("Review"), list_link(models.ClosedMonth))]
