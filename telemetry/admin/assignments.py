"""Moves of gateways to other accounts: enter one after its preview, undo the last."""

from typing import Any

from django import forms
from django.contrib import admin, messages
from django.core.exceptions import ValidationError
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.utils.translation import gettext_lazy as _
from unfold.admin import ModelAdmin
from unfold.contrib.filters.admin import AutocompleteSelectFilter
from unfold.decorators import action

from telemetry.accounts.staff import sees_every_account
from telemetry.admin.confirm import ask_first
from telemetry.assignments.moving import (
    AssignmentError,
    describe_move,
    move_gateway,
    preview,
    undo_move,
)
from telemetry.core.numbers import write_number
from telemetry.models import Account, Assignment
from telemetry.store.assignments.preview import MoveEffect
from telemetry.web.instants import validate_year

LISTED = 20


class MoveForm(forms.ModelForm):  # type: ignore[type-arg]
    """A move. It says first what it does to the months of both accounts."""

    is_previewed = forms.BooleanField(
        label=_("I have seen what it does"),
        required=False,
        help_text=_("Save once without it to see what the move does."),
    )

    def clean_since(self) -> Any:
        """An instant that can be one."""
        since = self.cleaned_data["since"]
        validate_year(since)
        return since

    def clean(self) -> dict[str, Any]:
        """Reject what hinders a move; without the tick, show what it does."""
        cleaned: dict[str, Any] = super().clean() or {}
        if self.errors:
            return cleaned
        gateway, account, since = (cleaned[name] for name in ("gateway", "account", "since"))
        try:
            effects = preview(gateway, account, since=since)
        except AssignmentError as error:
            raise ValidationError({error.field: str(error)}) from error
        if not cleaned["is_previewed"]:
            raise ValidationError([describe_move(gateway, account, since), *_list(effects)])
        return cleaned


def _list(effects: list[MoveEffect]) -> list[str]:
    names = dict(Account.objects.values_list("pk", "name"))
    texts = []
    for one in effects:
        text = _("%(account)s, month from %(month)s: %(difference)s %(unit)s") % {
            "account": names[one.account_id], "month": one.month, "unit": one.unit,
            "difference": write_number(one.difference),
        }  # fmt: skip
        closed = _("closed: the difference becomes an adjustment")
        texts.append(f"{text} ({closed})" if one.is_closed else text)
    return texts or [str(_("No month's total changes."))]


@admin.register(Assignment)
class AssignmentAdmin(ModelAdmin):  # type: ignore[misc]
    """Which account a gateway belonged to, from when on. A reading is the account's of its own
    time, whenever it comes."""

    form = MoveForm
    fields = ["gateway", "account", "since", "is_previewed"]
    list_display = ["gateway", "account", "since"]
    list_filter = [["gateway", AutocompleteSelectFilter], ["account", AutocompleteSelectFilter]]
    list_filter_submit = True
    list_select_related = ["gateway", "account"]
    search_fields = ["gateway__code", "gateway__mac", "account__name"]
    autocomplete_fields = ["gateway", "account"]
    actions = ["undo"]

    def get_form(self, request: HttpRequest, obj: Any = None, **options: Any) -> Any:
        """A move has an instant."""
        form = super().get_form(request, obj, **options)
        if "since" in form.base_fields:  # not where it is only looked at
            form.base_fields["since"].required = True
        return form

    def has_add_permission(self, request: HttpRequest) -> bool:
        """A move is of two accounts: who sees one alone only looks."""
        return super().has_add_permission(request) and sees_every_account(request.user)

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """One that is entered can only be undone; by whom it can be entered."""
        may = super().has_change_permission(request) and sees_every_account(request.user)
        return obj is None and may

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """The same."""
        return False

    def save_model(self, request: HttpRequest, obj: Assignment, form: Any, change: Any) -> None:
        """Move the gateway."""
        made = move_gateway(obj.gateway, obj.account, since=form.cleaned_data["since"])
        obj.pk = made.pk

    @action(description=_("Undo selected moves"), permissions=["change"])
    def undo(self, request: HttpRequest, rows: QuerySet[Assignment]) -> HttpResponse | None:
        """Ask first, then undo them, the latest first."""
        chosen = list(rows.exclude(since=None).select_related("gateway__account", "account"))
        if "confirmed" not in request.POST:
            return ask_first(
                self,
                request,
                title=_("Undo moves"),
                question=str(_("The account before has the gateway, as if it had never moved.")),
                button=_("Undo"),
                action="undo",
                ids=[row.pk for row in chosen],
                rows=[str(row) for row in chosen[:LISTED]],
                has_note=False,
            )
        for row in chosen:
            try:
                undo_move(row)
            except AssignmentError as error:
                self.message_user(request, str(error), messages.WARNING)
            else:
                self.message_user(request, str(row), messages.SUCCESS)
        return None
