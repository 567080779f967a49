"""The forms that edit readings and undo that."""

from decimal import Decimal
from typing import Any

from django import forms
from django.core.exceptions import ValidationError
from django.utils.translation import gettext_lazy as _

from telemetry.edits.editing import LONGEST_REASON, VOID, Change
from telemetry.web.instants import validate_instant

INSTANT_FORMATS = ["%Y-%m-%d %H:%M:%S.%f", "%Y-%m-%d %H:%M:%S", "%Y-%m-%d %H:%M"]


def _reason_field() -> forms.CharField:
    return forms.CharField(
        label=_("Reason"),
        max_length=LONGEST_REASON,
        widget=forms.Textarea({"rows": 2}),
        help_text=_("Others read it later, beside the bill."),
    )


class InstantField(forms.DateTimeField):
    """An instant in the account's time zone, or with an offset of its own."""

    default_validators = [validate_instant]

    def __init__(self, *, label: Any, **options: Any) -> None:
        super().__init__(
            label=label,
            input_formats=INSTANT_FORMATS,
            widget=forms.TextInput({"placeholder": "2026-10-17 10:12:00"}),
            **options,
        )


class EditForm(forms.Form):
    """What to do with which readings of a device. Both ends of the period are included."""

    VOID, VALUE, FACTOR = "void", "value", "factor"
    WHAT = [
        (VOID, _("Void: they count no more")),
        (VALUE, _("Give them this value")),
        (FACTOR, _("Multiply them by this factor")),
    ]
    since = InstantField(label=_("From"))
    until = InstantField(label=_("To"), help_text=_("This instant is included."))
    what = forms.ChoiceField(label=_("What to do"), choices=WHAT, widget=forms.RadioSelect)
    number = forms.DecimalField(
        label=_("Value or factor"), required=False, max_digits=19, decimal_places=8
    )
    reason = _reason_field()
    finding = forms.IntegerField(
        required=False, min_value=1, max_value=2**63 - 1, widget=forms.HiddenInput
    )

    def __init__(self, data: Any = None, **options: Any) -> None:
        super().__init__(data, label_suffix="", **options)

    def clean(self) -> None:
        """Reject a value without a number, and one with too many decimals."""
        what, number = self.cleaned_data.get("what"), self.cleaned_data.get("number")
        if "number" in self.errors or what in (None, self.VOID):
            return
        if number is None:
            self.add_error("number", ValidationError(_("Enter a number."), "required"))
        elif what == self.VALUE and number != round(number, 4):
            text = _("A value has at most four decimals.")
            self.add_error("number", ValidationError(text, "decimals"))

    @property
    def change(self) -> Change:
        """What the form, once valid, asks for."""
        number: Decimal = self.cleaned_data["number"]
        changes = {self.VALUE: Change(value=number), self.FACTOR: Change(factor=number)}
        return changes.get(self.cleaned_data["what"], VOID)


class ReasonForm(forms.Form):
    """A reason: for undoing an edit, for taking the value of a conflict."""

    reason = _reason_field()

    def __init__(self, data: Any = None, *, key: str = "") -> None:
        super().__init__(data, auto_id=f"{key}-%s", label_suffix="")


class UntilForm(forms.Form):
    """Up to which instant readings are listed."""

    until = InstantField(label=_("Readings up to"), required=False)

    def __init__(self, data: Any) -> None:
        super().__init__(data, auto_id="list-%s", label_suffix="")
