"""Alarms, as they were opened and closed by the evaluation."""

from django.contrib import admin
from django.utils.translation import gettext_lazy as _
from unfold.contrib.filters.admin import (
    AutocompleteSelectFilter,
    ChoicesDropdownFilter,
    RangeDateTimeFilter,
)

from telemetry.admin.readonly import ReadOnlyAdmin, show_choice
from telemetry.models import Alarm


@admin.register(Alarm)
class AlarmAdmin(ReadOnlyAdmin):
    """Open and past alarms of all accounts. Members acknowledge them on their own page."""

    list_display = [
        "opened_at", "account", "device", "kind_label", "limit", "value", "last_beyond_at",
        "closed_at", "ending", "acknowledged_by",
    ]  # fmt: skip
    list_filter = [
        ["account", AutocompleteSelectFilter], ["device", AutocompleteSelectFilter],
        ["kind", ChoicesDropdownFilter], ["ending", ChoicesDropdownFilter],
        ["opened_at", RangeDateTimeFilter],
    ]  # fmt: skip
    list_select_related = ["account", "device", "acknowledged_by"]
    kind_label = show_choice("kind", _("kind"), {"low": "info", "high": "danger"})
