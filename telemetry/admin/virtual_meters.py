"""Virtual meters with their devices."""

from django.contrib import admin
from unfold.admin import ModelAdmin, TabularInline
from unfold.contrib.filters.admin import AutocompleteSelectFilter

from telemetry.models import VirtualMeter, VirtualPart


class VirtualPartInline(TabularInline):  # type: ignore[misc]
    """The devices that are added and subtracted."""

    model = VirtualPart
    autocomplete_fields = ["device"]
    extra = 0


@admin.register(VirtualMeter)
class VirtualMeterAdmin(ModelAdmin):  # type: ignore[misc]
    """Sums and differences of devices. Months that are closed keep what they came to."""

    list_display = ["account", "code", "name", "unit", "largest_share"]
    list_filter = [["account", AutocompleteSelectFilter]]
    list_filter_submit = True
    list_select_related = ["account"]
    search_fields = ["code", "name", "account__name"]
    autocomplete_fields = ["account"]
    inlines = [VirtualPartInline]
