"""The forms of an account's bands: when one applies, and which days are holidays."""

from typing import Any

from django import forms
from django.utils.translation import gettext_lazy as _

from telemetry.models import Account, BandPeriod, Holiday

HALF_HOUR_S = 1_800


def _clock() -> forms.TimeInput:
    return forms.TimeInput({"type": "time", "step": HALF_HOUR_S}, format="%H:%M")


class PeriodForm(forms.ModelForm):  # type: ignore[type-arg]
    """When a band applies."""

    days = forms.MultipleChoiceField(
        label=_("Days"), choices=BandPeriod.DayKind.choices, widget=forms.CheckboxSelectMultiple
    )

    class Meta:
        model = BandPeriod
        fields = ("band", "days", "starts", "ends", "season_from", "season_to")
        widgets = {"starts": _clock(), "ends": _clock()}

    def __init__(self, data: Any = None, *, account: Account) -> None:
        super().__init__(data, label_suffix="", instance=BandPeriod(account=account))


class HolidayForm(forms.ModelForm):  # type: ignore[type-arg]
    """A day on which the bands of holidays apply."""

    class Meta:
        model = Holiday
        fields = ("day", "name")
        widgets = {"day": forms.DateInput({"type": "date"}, format="%Y-%m-%d")}

    def __init__(self, data: Any = None, *, account: Account) -> None:
        super().__init__(
            data, label_suffix="", auto_id="holiday-%s", instance=Holiday(account=account)
        )
