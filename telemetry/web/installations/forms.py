"""The form that enters a change of the meter."""

from datetime import datetime
from typing import Any

from django import forms
from django.utils.translation import gettext_lazy as _

from telemetry.installations.changing import SETTINGS, MeterChange
from telemetry.models import Device, Installation
from telemetry.web.edits.forms import InstantField


def _register_field(label: Any, help_text: Any = "") -> forms.DecimalField:
    return forms.DecimalField(
        label=label, help_text=help_text, required=False, max_digits=15, decimal_places=4
    )


class MeterForm(forms.Form):
    """How the meter measures from an instant on. What is not changed stays as it is filled in."""

    since = InstantField(
        label=_("Instant of the change"),
        help_text=_("A reading of this very instant is of the register that it equals."),
    )
    old_register = _register_field(_("Last of the old register"))
    first_register = _register_field(_("First of the new register"))
    factor = forms.DecimalField(
        label=_("Factor"),
        max_digits=12,
        decimal_places=6,
        help_text=_("What is read is multiplied by it, as behind a transformer: 40 for 200/5 A."),
    )
    measurement = forms.ChoiceField(label=_("Measures"), choices=Device.Measurement.choices)
    unit = forms.CharField(label=_("Unit"), required=False, max_length=10)
    register_modulus = _register_field(_("Register rolls over at"), _("Empty: never, or unknown."))
    interval_s = forms.IntegerField(
        label=_("Interval (s)"), required=False, min_value=1, max_value=2**31 - 1
    )
    is_net = forms.BooleanField(
        label=_("Counts backwards, too"),
        required=False,
        help_text=_("A net meter: energy that is fed in counts below zero."),
    )
    stamp = forms.ChoiceField(
        label=_("Stamps name"),
        choices=Installation.Stamp.choices,
        initial=Installation.Stamp.END,
        required=False,
        help_text=_("Of what was used since the last reading. Told before its first reading."),
    )
    largest_rate = forms.DecimalField(
        label=_("Largest plausible consumption an hour"),
        required=False,
        max_digits=15,
        decimal_places=4,
        help_text=_("With the factor. More is a finding. Empty: as its history says."),
    )
    model = forms.CharField(label=_("Model"), required=False, max_length=100)
    serial = forms.CharField(
        label=_("Serial number"),
        required=False,
        max_length=100,
        help_text=_("Of the new meter. Empty: it is the same meter."),
    )
    note = forms.CharField(
        label=_("Note"), required=False, max_length=500, widget=forms.Textarea({"rows": 2})
    )

    def __init__(self, data: Any = None, **options: Any) -> None:
        super().__init__(data, label_suffix="", **options)

    @property
    def change(self) -> MeterChange:
        """What the form, once valid, asks for."""
        return MeterChange(
            **{**self.cleaned_data, "stamp": self.cleaned_data["stamp"] or Installation.Stamp.END}
        )


def fill_form(current: Installation, *, since: datetime | str) -> MeterForm:
    """The form with the settings that the device has."""
    initial = {name: getattr(current, name) for name in SETTINGS}
    return MeterForm(initial={**initial, "since": since})
