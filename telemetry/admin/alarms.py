"""Alarms, as the evaluation opened and closed them."""

from django.contrib import admin
from django.utils.translation import gettext_lazy as _
from unfold.contrib.filters.admin import (
    AutocompleteSelectFilter,
    ChoicesDropdownFilter,
    RangeDateTimeFilter,
)
from unfold.decorators import display

from telemetry.admin.readonly import CappedPaginator, ReadOnlyAdmin
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
    list_filter_submit = True
    list_select_related = ["account", "device", "acknowledged_by"]
    paginator = CappedPaginator

    @display(description=_("kind"), label={"low": "info", "high": "danger"})
    def kind_label(self, alarm: Alarm) -> tuple[str, str]:
        """Below or above: the colour, and the text."""
        return alarm.kind, alarm.get_kind_display()
