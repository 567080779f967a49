"""Meters at devices: enter a change, undo one."""

from typing import Any

from django import forms
from django.contrib import admin, messages
from django.core.exceptions import ValidationError
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.utils.translation import gettext_lazy as _
from unfold.admin import ModelAdmin
from unfold.contrib.filters.admin import AutocompleteSelectFilter, RangeDateTimeFilter
from unfold.decorators import action

from telemetry.admin.confirm import ask_first
from telemetry.admin.readonly import CappedPaginator
from telemetry.installations.changing import MeterChange, plan_change, undo_change
from telemetry.installations.texts import InstallationError, describe_change
from telemetry.models import Installation
from telemetry.web.instants import validate_year

LISTED = 20
TEXTS = ["model", "serial", "note"]


class InstallationForm(forms.ModelForm):  # type: ignore[type-arg]
    """A change of the meter. Refused with the values beside it."""

    def clean_since(self) -> Any:
        """An instant that can be one."""
        since = self.cleaned_data["since"]
        validate_year(since)
        return since

    def clean(self) -> dict[str, Any]:
        """Reject what contradicts the readings, and take over registers that they tell."""
        cleaned: dict[str, Any] = super().clean() or {}
        device = cleaned.get("device")
        if self.errors or device is None:
            return cleaned
        change = MeterChange(**{name: cleaned[name] for name in MeterChange.__struct_fields__})
        try:
            planned = plan_change(device, change, user=None)
        except InstallationError as error:
            raise ValidationError({error.field or "since": str(error)}) from error
        cleaned["old_register"] = planned.old_register
        cleaned["first_register"] = planned.first_register
        return cleaned


@admin.register(Installation)
class InstallationAdmin(ModelAdmin):  # type: ignore[misc]
    """Meters of all devices. How one measures is not changed afterwards: undo it, and enter it
    anew. The next refresh computes what it concerns again."""

    form = InstallationForm
    fields = [
        "device", "since", "old_register", "first_register", "factor", "measurement", "unit",
        "register_modulus", "interval_s", "is_net", "stamp", "largest_rate", *TEXTS,
        "created_by", "created_at", "undone_by", "undone_at",
    ]  # fmt: skip
    list_display = [
        "since", "device", "measurement", "unit", "factor", "old_register", "first_register",
        "serial", "created_by", "created_at", "undone_at",
    ]  # fmt: skip
    list_filter = [["device", AutocompleteSelectFilter], ["since", RangeDateTimeFilter]]
    list_filter_submit = True
    paginator: Any = CappedPaginator
    show_full_result_count = False
    list_select_related = ["device", "created_by"]
    ordering = ["-id"]
    search_fields = ["device__code", "device__name", "serial", "note"]
    autocomplete_fields = ["device"]
    actions = ["undo"]

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> list[str]:
        """Only what says nothing of consumption can be changed."""
        always = ["created_by", "created_at", "undone_by", "undone_at"]
        return always if obj is None else [name for name in self.fields if name not in TEXTS]

    def get_fields(self, request: HttpRequest, obj: Any = None) -> list[str]:
        """A new one has no time yet: the database sets it when it is saved."""
        return [name for name in self.fields if obj is not None or name != "created_at"]

    def get_form(self, request: HttpRequest, obj: Any = None, **options: Any) -> Any:
        """The rules are those of a new one."""
        if obj is not None:
            options["form"] = forms.ModelForm
        form = super().get_form(request, obj, **options)
        if obj is None:
            form.base_fields["since"].required = True
        return form

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """A change is undone, so that it can be read later what was."""
        return False

    def save_model(self, request: HttpRequest, obj: Installation, form: Any, change: Any) -> None:
        """Save with who entered it."""
        if not change:
            obj.created_by_id = request.user.pk
            obj.old_register = form.cleaned_data["old_register"]
            obj.first_register = form.cleaned_data["first_register"]
        super().save_model(request, obj, form, change)

    @action(description=_("Undo selected changes of meter"), permissions=["change"])
    def undo(self, request: HttpRequest, rows: QuerySet[Installation]) -> HttpResponse | None:
        """Ask first, then undo them, the latest first."""
        chosen = list(rows.select_related("device__account").order_by("-since"))
        if "confirmed" not in request.POST:
            return ask_first(
                self,
                request,
                title=_("Undo changes of meter"),
                question=str(_("The meter before goes on, as if there had been no change.")),
                button=_("Undo"),
                action="undo",
                ids=[row.pk for row in chosen],
                rows=[describe_change(row) for row in chosen[:LISTED]],
                has_note=False,
            )
        user: Any = request.user
        for row in chosen:
            try:
                undo_change(row, user=user)
            except InstallationError as error:
                self.message_user(request, str(error), messages.WARNING)
            else:
                self.message_user(request, describe_change(row), messages.SUCCESS)
        return None
