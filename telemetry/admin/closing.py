"""The admin's actions that close and reopen months, and the lists of what they did.

`close_months` calls `close_month`, and `reopen_months` calls `reopen_month`, once for each month
(`store/billing/closing.py`). The list of monthly consumption (`admin/consumption.py`) offers both
actions; the list of closed months offers the second.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

from django.contrib import admin, messages
from django.core.paginator import Paginator
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.utils import timezone
from django.utils.translation import gettext_lazy as _
from unfold.contrib.filters.admin import (
    AutocompleteSelectFilter,
    RangeDateFilter,
    RangeDateTimeFilter,
)
from unfold.decorators import action

from telemetry.admin.confirm import ask_first
from telemetry.admin.readonly import ReadOnlyAdmin, show_choice
from telemetry.models import Account, ClosedMonth, MonthAdjustment, MonthEvent
from telemetry.store.billing.closing import MonthError, close_month, reopen_month

LISTED_MONTHS = 20


class ActionTexts(NamedTuple):
    """The name of an action, and what it says before and after."""

    action: str
    title: Any
    warning: Any
    button: Any
    done: Any


CLOSE = ActionTexts(
    "close_months",
    _("Close months"),
    _("Their totals are fixed from then on; later changes are recorded as adjustments."),
    _("Close"),
    _("Months closed: %(n)d."),
)
REOPEN = ActionTexts(
    "reopen_months",
    _("Reopen months"),
    _("Their totals are the live ones again, and adjustments are removed. The event is kept."),
    _("Reopen"),
    _("Months reopened: %(n)d."),
)


class MonthActions:
    """The two actions, for a list whose rows have an account and a month. They change the whole
    month of each account that a selected row names."""

    actions: list[str] | None = ["close_months", "reopen_months"]

    def has_close_permission(self, request: HttpRequest) -> bool:
        """Who may change closed months, although nobody edits them."""
        return bool(request.user.has_perm("telemetry.change_closedmonth"))

    @action(description=_("Close the months of the selection"), permissions=["close"])
    def close_months(self, request: HttpRequest, rows: QuerySet[Any]) -> HttpResponse | None:
        """Ask first, then close each month that is over."""
        return _ask_or_run(self, request, rows, CLOSE, change=close_month)

    @action(description=_("Reopen the months of the selection"), permissions=["close"])
    def reopen_months(self, request: HttpRequest, rows: QuerySet[Any]) -> HttpResponse | None:
        """Ask first, then undo each closing."""
        return _ask_or_run(self, request, rows, REOPEN, change=reopen_month)


def _ask_or_run(
    model_admin: Any,
    request: HttpRequest,
    rows: QuerySet[Any],
    texts: ActionTexts,
    *,
    change: Callable[..., int],
) -> HttpResponse | None:
    keys = rows.order_by("account_id", "month").values_list("account_id", "month")
    months = list(keys.distinct())
    if "confirmed" in request.POST:
        count = _change_months(model_admin, request, months, change)
        if count:
            model_admin.message_user(request, texts.done % {"n": count}, messages.SUCCESS)
        return None
    accounts = Account.objects.filter(pk__in={account_id for account_id, _month in months})
    names = dict(accounts.values_list("pk", "name"))
    return ask_first(
        model_admin,
        request,
        title=texts.title,
        question=f"{texts.title}: {len(months)}. {texts.warning}",
        button=texts.button,
        action=texts.action,
        ids=rows.values_list("pk", flat=True),
        rows=[f"{names[account_id]} {month}" for account_id, month in months[:LISTED_MONTHS]],
        has_note=True,
    )


def _change_months(
    model_admin: Any, request: HttpRequest, months: list[Any], change: Callable[..., int]
) -> int:
    """Call `change` for each month, and show why one could not be changed; how many were."""
    note, user_id = request.POST.get("note", ""), request.user.pk
    count = 0
    for account_id, month in months:
        try:
            change(account_id, month=month, now=timezone.now(), note=note, user_id=user_id)
        except MonthError as error:
            model_admin.message_user(request, str(error), messages.WARNING)
        else:
            count += 1
    return count


@admin.register(ClosedMonth)
class ClosedMonthAdmin(MonthActions, ReadOnlyAdmin):
    """Months that are closed. Their action reopens them; `MonthlyConsumptionAdmin` closes."""

    list_display = ["month", "account", "closed_by", "closed_at", "note"]
    list_filter = [["account", AutocompleteSelectFilter], ["month", RangeDateFilter]]
    list_select_related = ["account", "closed_by"]
    paginator = Paginator
    actions = ["reopen_months"]


@admin.register(MonthAdjustment)
class MonthAdjustmentAdmin(ReadOnlyAdmin):
    """What closed months came to differ by, line by line."""

    list_display = [
        "recorded_at", "account", "device", "month", "difference", "edit_ids", "installation_ids",
        "moved_at", "causes", "settled_in",
    ]  # fmt: skip
    list_filter = [
        ["account", AutocompleteSelectFilter], ["device", AutocompleteSelectFilter],
        ["month", RangeDateFilter], ["recorded_at", RangeDateTimeFilter],
    ]  # fmt: skip
    list_select_related = ["account", "device"]


@admin.register(MonthEvent)
class MonthEventAdmin(ReadOnlyAdmin):
    """When months were closed and reopened, by whom, and what they came to."""

    list_display = ["at", "account", "month", "kind_label", "by", "note"]
    list_filter = ["kind", ["account", AutocompleteSelectFilter], ["month", RangeDateFilter]]
    list_select_related = ["account", "by"]
    paginator = Paginator
    kind_label = show_choice("kind", _("kind"), {"closed": "success", "reopened": "warning"})
