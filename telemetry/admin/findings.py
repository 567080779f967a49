"""Findings of all accounts, as the task wrote them and members decided them."""

from django.contrib import admin
from django.utils.translation import gettext_lazy as _
from unfold.contrib.filters.admin import (
    AutocompleteSelectFilter,
    ChoicesDropdownFilter,
    RangeDateTimeFilter,
)

from telemetry.admin.readonly import ReadOnlyAdmin, show_choice
from telemetry.models import Finding


@admin.register(Finding)
class FindingAdmin(ReadOnlyAdmin):
    """What rules found. Members decide on their own page, or by an edit."""

    list_display = [
        "since", "until", "account", "device", "rule", "state_label", "decided_by", "decided_at",
        "note",
    ]  # fmt: skip
    list_filter = [
        ["account", AutocompleteSelectFilter], ["device", AutocompleteSelectFilter],
        ["rule", ChoicesDropdownFilter], ["state", ChoicesDropdownFilter],
        ["since", RangeDateTimeFilter],
    ]  # fmt: skip
    list_select_related = ["account", "device", "decided_by"]
    state_label = show_choice("state", _("state"), {"open": "warning", "gone": "info"})
