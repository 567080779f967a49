"""Edits of readings: what was voided and substituted, by whom and why; approve, reject, undo.

They are made on the list of readings (`admin/readings.py`), on that of dead letters, and on the
pages of members.
"""

from collections.abc import Callable, Iterable
from typing import Any, NamedTuple

from django.contrib import admin, messages
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.utils.translation import gettext_lazy as _
from unfold.contrib.filters.admin import (
    AutocompleteSelectFilter,
    ChoicesDropdownFilter,
    RangeDateTimeFilter,
)
from unfold.decorators import action

from telemetry.admin.confirm import ask_first
from telemetry.admin.readonly import ReadOnlyAdmin, show_choice
from telemetry.edits.editing import VOID, approve_edit, reject_edit, request_edit, undo_edit
from telemetry.models import Edit, ReadingListing
from telemetry.store.edits.apply import EditError, describe_edit

LISTED = 20


class EditAction(NamedTuple):
    """An action that edits: its name, what it asks, its button. `has_reason`: it wants one."""

    name: str
    title: Any
    button: Any
    has_reason: bool = True


def ask_or_edit(
    model_admin: Any,
    request: HttpRequest,
    rows: Iterable[Any],
    of: EditAction,
    *,
    change: Callable[[Any, str], object],
    describe: Callable[[Any], str],
) -> HttpResponse | None:
    """Ask first, then call `change` with each row and the reason; show why one was refused."""
    chosen = list(rows)
    if "confirmed" not in request.POST:
        return ask_first(
            model_admin,
            request,
            title=of.title,
            question=f"{of.title}: {len(chosen)}.",
            button=of.button,
            action=of.name,
            ids=[row.pk for row in chosen],
            rows=[describe(row) for row in chosen[:LISTED]],
            has_note=of.has_reason,
        )
    count, reason = 0, request.POST.get("note", "")
    for row in chosen:
        try:
            change(row, reason)
        except EditError as error:
            model_admin.message_user(request, str(error), messages.WARNING)
        else:
            count += 1
    if count:
        text = _("Done: %(n)d.") % {"n": count}
        model_admin.message_user(request, text, messages.SUCCESS)
    return None


def void_reading(row: ReadingListing, *, user: Any, reason: str) -> Edit:
    """Void one reading of the list. Raises `EditError`."""
    return request_edit(
        row.account,  # type: ignore[arg-type]
        device=row.device,  # type: ignore[arg-type]
        since=row.time,
        until=row.time,
        change=VOID,
        reason=reason,
        user=user,
    )


@admin.register(Edit)
class EditAdmin(ReadOnlyAdmin):
    """Edits of all accounts. Who requested one does not approve it."""

    list_display = [
        "requested_at", "account", "device", "kind", "since", "until", "value", "factor",
        "state_label", "readings_count", "requested_by", "reason",
    ]  # fmt: skip
    list_filter = [
        ["account", AutocompleteSelectFilter], ["device", AutocompleteSelectFilter],
        ["state", ChoicesDropdownFilter], ["requested_at", RangeDateTimeFilter],
    ]  # fmt: skip
    list_select_related = ["account", "device__gateway", "requested_by"]
    actions = ["approve", "reject", "undo"]
    state_label = show_choice(
        "state",
        _("state"),
        {"waiting": "warning", "undo_waiting": "warning", "applied": "success"},
    )

    def has_edit_permission(self, request: HttpRequest) -> bool:
        """Who may change readings, although nobody changes these rows by hand."""
        return may_edit(request)

    @action(description=_("Approve selected edits"), permissions=["edit"])
    def approve(self, request: HttpRequest, rows: QuerySet[Edit]) -> HttpResponse | None:
        """Apply, or undo, what waits."""
        of = EditAction("approve", _("Approve edits"), _("Approve"), has_reason=False)
        return self._change(
            request, rows, of, lambda row, _reason: approve_edit(row, user=_user(request))
        )

    @action(description=_("Reject selected edits"), permissions=["edit"])
    def reject(self, request: HttpRequest, rows: QuerySet[Edit]) -> HttpResponse | None:
        """Drop what waits."""
        of = EditAction("reject", _("Reject edits"), _("Reject"), has_reason=False)
        return self._change(
            request, rows, of, lambda row, _reason: reject_edit(row, user=_user(request))
        )

    @action(description=_("Undo selected edits"), permissions=["edit"])
    def undo(self, request: HttpRequest, rows: QuerySet[Edit]) -> HttpResponse | None:
        """Give the readings back the values of before, the newest edit first."""
        of = EditAction("undo", _("Undo edits"), _("Undo"))
        return self._change(
            request,
            rows,
            of,
            lambda row, reason: undo_edit(row, user=_user(request), reason=reason),
        )

    def _change(
        self,
        request: HttpRequest,
        rows: QuerySet[Edit],
        of: EditAction,
        change: Callable[[Edit, str], object],
    ) -> HttpResponse | None:
        newest_first = rows.select_related("account", "device__gateway").order_by("-pk")
        return ask_or_edit(self, request, newest_first, of, change=change, describe=describe_edit)


def may_edit(request: HttpRequest) -> bool:
    """Whether the user may void and substitute readings in the admin."""
    return bool(request.user.has_perm("telemetry.add_edit"))


def _user(request: HttpRequest) -> Any:
    return request.user
