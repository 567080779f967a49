"""Closed months and adjustments; the page that asks before months are closed or reopened."""

from collections.abc import Callable
from typing import Any, NamedTuple

from django.contrib import admin, messages
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.utils import timezone
from django.utils.translation import gettext_lazy as _
from unfold.contrib.filters.admin import (
    AutocompleteSelectFilter,
    RangeDateFilter,
    RangeDateTimeFilter,
)
from unfold.decorators import action, display

from telemetry.admin.readonly import CappedPaginator, ReadOnlyAdmin
from telemetry.models import Account, ClosedMonth, MonthAdjustment, MonthEvent
from telemetry.store.billing.closing import MonthError, close_month, reopen_month

SHOWN_MONTHS = 20


class Change(NamedTuple):
    """What an action does to months, and its texts."""

    action: str
    run: Callable[..., int]
    title: Any
    warning: Any
    button: Any
    done: Any


CLOSE = Change(
    "close_months",
    close_month,
    _("Close months"),
    _("Their totals are fixed from then on; later changes are recorded as adjustments."),
    _("Close"),
    _("Months closed: %(n)d."),
)
REOPEN = Change(
    "reopen_months",
    reopen_month,
    _("Reopen months"),
    _("Their totals are the live ones again, and adjustments are removed. The event is kept."),
    _("Reopen"),
    _("Months reopened: %(n)d."),
)


def confirm_or_run(
    model_admin: Any, request: HttpRequest, rows: QuerySet[Any], change: Change
) -> HttpResponse | None:
    """Show the page that asks, or change the months of the rows when it was answered."""
    keys = rows.order_by("account_id", "month").values_list("account_id", "month")
    months = list(keys.distinct())
    if "confirmed" in request.POST:
        _run(model_admin, request, months, change)
        return None
    accounts = Account.objects.filter(pk__in={account_id for account_id, _month in months})
    names = dict(accounts.values_list("pk", "name"))
    context = {
        **model_admin.admin_site.each_context(request),
        "title": change.title,
        "opts": model_admin.opts,
        "change": change,
        "months": [(names[account_id], month) for account_id, month in months[:SHOWN_MONTHS]],
        "count": len(months),
        "ids": rows.values_list("pk", flat=True),
        "back": f"admin:{model_admin.opts.app_label}_{model_admin.opts.model_name}_changelist",
    }
    return TemplateResponse(request, "telemetry/confirm_months.html", context)


def _run(model_admin: Any, request: HttpRequest, months: list[Any], change: Change) -> None:
    done = 0
    for account_id, month in months:
        said = {"note": request.POST.get("note", ""), "user_id": request.user.pk}
        try:
            change.run(account_id, month=month, now=timezone.now(), **said)
        except MonthError as error:
            model_admin.message_user(request, str(error), messages.WARNING)
        else:
            done += 1
    if done:
        model_admin.message_user(request, change.done % {"n": done}, messages.SUCCESS)


@admin.register(ClosedMonth)
class ClosedMonthAdmin(ReadOnlyAdmin):
    """Months that were billed."""

    list_display = ["month", "account", "closed_by", "closed_at", "note"]
    list_filter = [["account", AutocompleteSelectFilter], ["month", RangeDateFilter]]
    list_filter_submit = True
    list_select_related = ["account", "closed_by"]
    actions = ["reopen_months"]

    def has_close_permission(self, request: HttpRequest) -> bool:
        """Who may change closed months, although nobody edits them."""
        return request.user.has_perm("telemetry.change_closedmonth")

    @action(description=_("Reopen the selected months"), permissions=["close"])
    def reopen_months(
        self, request: HttpRequest, rows: QuerySet[ClosedMonth]
    ) -> HttpResponse | None:
        """Ask first, then undo each closing."""
        return confirm_or_run(self, request, rows, REOPEN)


@admin.register(MonthAdjustment)
class MonthAdjustmentAdmin(ReadOnlyAdmin):
    """What closed months came to differ by, line by line."""

    list_display = ["recorded_at", "account", "device", "month", "difference"]
    list_filter = [
        ["account", AutocompleteSelectFilter], ["device", AutocompleteSelectFilter],
        ["month", RangeDateFilter], ["recorded_at", RangeDateTimeFilter],
    ]  # fmt: skip
    list_filter_submit = True
    list_select_related = ["account", "device"]
    paginator = CappedPaginator


@admin.register(MonthEvent)
class MonthEventAdmin(ReadOnlyAdmin):
    """When months were closed and reopened, by whom, and what they came to."""

    list_display = ["at", "account", "month", "kind_label", "by", "note"]
    list_filter = ["kind", ["account", AutocompleteSelectFilter], ["month", RangeDateFilter]]
    list_filter_submit = True
    list_select_related = ["account", "by"]

    @display(description=_("kind"), label={"closed": "success", "reopened": "warning"})
    def kind_label(self, event: MonthEvent) -> tuple[str, str]:
        """Closed or reopened: the colour, and the text."""
        return event.kind, event.get_kind_display()
