"""The sidebar: five groups in words. What is rarely needed is listed at the end of the home."""

from typing import Any, NamedTuple

from auditlog.models import LogEntry
from django.contrib import admin
from django.http import HttpRequest
from django.urls import reverse
from django.utils.html import escape
from django.utils.translation import gettext_lazy as _

from telemetry import models
from telemetry.store.operations.summaries import count_open

MOST_COUNTED = 99


class Entry(NamedTuple):
    """A list of the admin, and what it is called in the sidebar. `badge`: the name of a count."""

    title: Any
    model: Any
    badge: str = ""


GROUPS: tuple[tuple[Any, tuple[Entry, ...]], ...] = (
    (
        _("Fleet"),
        (
            Entry(_("Accounts"), models.Account),
            Entry(_("Gateways"), models.Gateway),
            Entry(_("Devices"), models.Device),
            Entry(_("Meters"), models.Installation),
            Entry(_("Certificates"), models.Certificate),
        ),
    ),
    (
        _("Consumption"),
        (
            Entry(_("Readings"), models.ReadingListing),
            Entry(_("Months"), models.MonthlyConsumption),
            Entry(_("Closed months"), models.ClosedMonth),
            Entry(_("Findings"), models.Finding),
        ),
    ),
    (
        _("Problems"),
        (
            Entry(_("Dead letters"), models.DeadLetterGroup, "dead_letters"),
            Entry(_("Alarms"), models.Alarm, "alarms"),
            Entry(_("Alarm rules"), models.AlarmRule),
            Entry(_("Gateway events"), models.GatewayEvent),
        ),
    ),
    (
        _("People"),
        (
            Entry(_("Users"), models.User),
            Entry(_("Memberships"), models.Membership),
            Entry(_("Invitations"), models.Invitation),
            Entry(_("Sign-in locks"), models.SignInFailure),
        ),
    ),
    (
        _("System"),
        (
            Entry(_("Changes"), LogEntry),
            Entry(_("Batches"), models.Batch),
            Entry(_("Schedules"), models.TaskRun),
            Entry(_("Storage"), models.Storage),
        ),
    ),
)


def list_groups(request: HttpRequest) -> list[dict[str, Any]]:
    """The groups with what the user may see."""
    counts = count_open(most=MOST_COUNTED + 1)
    home = {"title": _("Home"), "link": reverse("admin:index")}
    groups: list[dict[str, Any]] = [{"title": "", "items": [home]}]
    accounts = getattr(request, "given_accounts", [])
    if accounts:
        chosen: Any = getattr(request, "given_account", None)
        items = [
            {
                "title": escape(account.name),
                "link": f"{reverse('admin:index')}?account={account.pk}",
                "active": account == chosen,
            }
            for account in accounts
        ]
        groups.append({"title": _("Account"), "items": items})
    for title, entries in GROUPS:
        items = [
            _make_item(entry, counts)
            for entry in entries
            if admin.site._registry[entry.model].has_view_permission(request)
        ]
        groups.append({"title": title, "items": items})
    everything = {"title": _("All lists"), "link": f"{reverse('admin:index')}?all=1#all"}
    groups[-1]["items"].append({**everything, "active": False})
    return groups


def list_link(model: Any) -> str:
    """The address of a model's list."""
    return reverse(f"admin:{model._meta.app_label}_{model._meta.model_name}_changelist")


def _make_item(entry: Entry, counts: dict[str, int]) -> dict[str, Any]:
    item = {"title": entry.title, "link": list_link(entry.model)}
    count = counts.get(entry.badge, 0)
    if count:
        shown = str(count) if count <= MOST_COUNTED else f"{MOST_COUNTED}+"
        item |= {"badge": shown, "badge_variant": "warning"}
    return item
