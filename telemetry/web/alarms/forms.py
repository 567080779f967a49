"""The form that acknowledges an alarm."""

from typing import Any

from django import forms
from django.utils.translation import gettext_lazy as _

LONGEST_NOTE = 500


class AcknowledgeForm(forms.Form):
    """An acknowledgment, with an optional note."""

    note = forms.CharField(
        label=_("Note"),
        required=False,
        max_length=LONGEST_NOTE,
        widget=forms.Textarea({"rows": 2}),
        help_text=_("What was found, or what is being done."),
    )

    def __init__(self, data: Any = None, *, alarm_id: int) -> None:
        super().__init__(data, auto_id=f"{alarm_id}-%s", label_suffix="")
        self.alarm_id = alarm_id
