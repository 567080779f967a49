"""Consumption by month, late data that came after its hour was dropped."""

from datetime import date
from typing import Any

from django.contrib import admin
from django.http import HttpRequest
from django.utils.translation import gettext_lazy as _
from unfold.contrib.filters.admin import (
    AutocompleteSelectFilter,
    ChoicesDropdownFilter,
    RangeDateFilter,
    RangeDateTimeFilter,
)
from unfold.decorators import display

from telemetry.admin.closing import MonthActions
from telemetry.admin.readonly import OrderedListMixin, ReadOnlyAdmin, show_choice
from telemetry.models import FrozenHour, MonthlyConsumption


@admin.register(MonthlyConsumption)
class MonthlyConsumptionAdmin(MonthActions, OrderedListMixin, ReadOnlyAdmin):
    """What devices consumed by billing month. `MonthActions` closes and reopens these months."""

    list_display = [
        "month", "account", "device", "state_label", "total", "daily_mean_short",
        "reading_mean_short", "readings_count", "coverage_percent", "first_register",
        "last_register",
    ]  # fmt: skip
    list_filter = [
        ["account", AutocompleteSelectFilter], ["month", RangeDateFilter],
        ["device", AutocompleteSelectFilter], ["state", ChoicesDropdownFilter],
    ]  # fmt: skip
    list_select_related = ["device", "account"]
    list_per_page = 50
    sortable_by = ()
    state_label = show_choice(
        "state", _("state"), {"open": "info", "closed": "success", "adjusted": "warning"}
    )

    def get_object(self, request: HttpRequest, object_id: str, from_field: Any = None) -> Any:
        """Find by device, month and account, which the key's text hides from the index."""
        try:
            device_id, month, account_id = object_id.split(".")
            key = {
                "device_id": int(device_id),
                "month": date.fromisoformat(month),
                "account_id": int(account_id),
            }
        except ValueError:
            return None
        return self.get_queryset(request).filter(**key).first()

    @display(description=_("daily mean"))
    def daily_mean_short(self, row: MonthlyConsumption) -> Any:
        """The daily mean with the decimals of a reading."""
        return None if row.daily_mean is None else round(row.daily_mean, 4)

    @display(description=_("mean of readings"))
    def reading_mean_short(self, row: MonthlyConsumption) -> Any:
        """The mean with the decimals of a reading."""
        return round(row.reading_mean, 4)

    @display(description=_("coverage"))
    def coverage_percent(self, row: MonthlyConsumption) -> str | None:
        """The share of expected intervals that have readings."""
        return None if row.coverage is None else f"{100 * row.coverage:.1f} %"


@admin.register(FrozenHour)
class FrozenHourAdmin(ReadOnlyAdmin):
    """Late readings that changed no aggregate: the others of their hour were dropped before."""

    list_display = ["recorded_at", "device", "hour", "dropped_before"]
    list_filter = [["device", AutocompleteSelectFilter], ["recorded_at", RangeDateTimeFilter]]
    list_select_related = ["device"]
