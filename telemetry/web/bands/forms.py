"""The forms of an account's bands: when one applies, and which days are holidays."""

from datetime import date
from typing import Any

from django import forms
from django.core.exceptions import ValidationError
from django.utils.translation import gettext_lazy as _

from telemetry.models import Account, BandPeriod, Holiday

MOST_PERIODS = 50
MOST_HOLIDAYS = 500
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

    def clean(self) -> dict[str, Any]:
        """Reject one too many."""
        if BandPeriod.objects.filter(account=self.instance.account).count() >= MOST_PERIODS:
            text = _("This account has as many periods as it may have: delete one first.")
            raise ValidationError(text, "most")
        return super().clean() or {}


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

    def clean_day(self) -> date:
        """Reject a day that is one already, and one too many."""
        day: date = self.cleaned_data["day"]
        days = Holiday.objects.filter(account=self.instance.account)
        if days.filter(day=day).exists():
            raise ValidationError(_("This day is a holiday already."), "unique")
        if days.count() >= MOST_HOLIDAYS:
            raise ValidationError(_("At most %(most)d holidays.") % {"most": MOST_HOLIDAYS}, "most")
        return day
