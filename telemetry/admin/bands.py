"""Time-of-use bands of accounts, and their holidays."""

from django import forms
from django.contrib import admin
from django.utils.translation import gettext_lazy as _
from unfold.admin import ModelAdmin
from unfold.contrib.filters.admin import AutocompleteSelectFilter, RangeDateFilter

from telemetry.models import BandPeriod, Holiday


class BandPeriodForm(forms.ModelForm):  # type: ignore[type-arg]
    """Kinds of days as boxes to tick."""

    days = forms.MultipleChoiceField(
        label=_("Days"), choices=BandPeriod.DayKind.choices, widget=forms.CheckboxSelectMultiple
    )

    class Meta:
        model = BandPeriod
        fields = ("account", "band", "days", "starts", "ends", "season_from", "season_to")


@admin.register(BandPeriod)
class BandPeriodAdmin(ModelAdmin):  # type: ignore[misc]
    """When which band applies. Months that are closed keep what they were billed with."""

    form = BandPeriodForm
    list_display = ["account", "band", "days", "starts", "ends", "season_from", "season_to"]
    list_filter = [["account", AutocompleteSelectFilter]]
    list_filter_submit = True
    list_select_related = ["account"]
    search_fields = ["band", "account__name"]
    autocomplete_fields = ["account"]


@admin.register(Holiday)
class HolidayAdmin(ModelAdmin):  # type: ignore[misc]
    """Days on which the bands of holidays apply."""

    list_display = ["account", "day", "name"]
    list_filter = [["account", AutocompleteSelectFilter], ["day", RangeDateFilter]]
    list_filter_submit = True
    list_select_related = ["account"]
    search_fields = ["name", "account__name"]
    autocomplete_fields = ["account"]
