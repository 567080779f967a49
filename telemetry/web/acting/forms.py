"""The forms with which members name things, set limits, write notes and report readings."""

from datetime import date
from typing import Any

from django import forms
from django.core.exceptions import ValidationError
from django.utils.translation import gettext_lazy as _

from telemetry.findings.reporting import LONGEST_TEXT
from telemetry.models import DayNote, Device, Gateway
from telemetry.web.edits.forms import InstantField

EARLIEST, LATEST = date(2000, 1, 1), date(2099, 12, 31)


class DeviceForm(forms.ModelForm):  # type: ignore[type-arg]
    """A device's name and group, and the limits of its alarms."""

    class Meta:
        model = Device
        fields = ("name", "group", "alarm_low", "alarm_high")
        widgets = {"group": forms.TextInput({"list": "groups", "autocomplete": "off"})}
        help_texts = {
            "alarm_low": _("Empty: no limit. A rule for device limits says who is told."),
        }

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **{"label_suffix": "", **options})

    def clean(self) -> None:
        """The lower limit is the lower one."""
        low, high = self.cleaned_data.get("alarm_low"), self.cleaned_data.get("alarm_high")
        if low is not None and high is not None and low > high:
            text = _("Expected the lower limit or more.")
            self.add_error("alarm_high", ValidationError(text, "order"))

    def _post_clean(self) -> None:
        """Without the rules of the model that are about other fields."""
        self.instance.name = self.cleaned_data.get("name", self.instance.name)
        self.instance.group = self.cleaned_data.get("group", self.instance.group)
        self.instance.alarm_low = self.cleaned_data.get("alarm_low")
        self.instance.alarm_high = self.cleaned_data.get("alarm_high")


class GatewayForm(forms.ModelForm):  # type: ignore[type-arg]
    """A gateway's name and location."""

    class Meta:
        model = Gateway
        fields = ("name", "location")

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **{"label_suffix": "", **options})

    def _post_clean(self) -> None:
        """Without the rules of the model that are about other fields."""
        for name in self.Meta.fields:
            setattr(self.instance, name, self.cleaned_data.get(name, ""))


class NoteForm(forms.ModelForm):  # type: ignore[type-arg]
    """A note on a day."""

    day = forms.DateField(label=_("Day"), widget=forms.DateInput({"type": "date"}, "%Y-%m-%d"))

    class Meta:
        model = DayNote
        fields = ("day", "text")

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **{"label_suffix": "", "auto_id": "note-%s", **options})

    def clean_day(self) -> date:
        """A day that charts can show."""
        day: date = self.cleaned_data["day"]
        if not EARLIEST <= day <= LATEST:
            raise ValidationError(_("Choose a day between 2000 and 2099."), "range")
        return day


class ReportForm(forms.Form):
    """Which reading is wrong, and why somebody thinks so."""

    at = InstantField(label=_("Instant of the reading"))
    text = forms.CharField(
        label=_("What is wrong"), max_length=LONGEST_TEXT, widget=forms.Textarea({"rows": 2})
    )

    def __init__(self, data: Any = None, **options: Any) -> None:
        super().__init__(data, **{"label_suffix": "", "auto_id": "report-%s", **options})
