"""What members write down about a day, for whoever looks at it later."""

from django.db import models
from django.db.models import F
from django.db.models.functions import Now
from django.utils.translation import gettext_lazy as _

from telemetry.models.accounts import Account, User
from telemetry.models.fleet import Device

LONGEST_NOTE = 300


class DayNote(models.Model):
    """A note on a local day of a device, such as "holiday, hall closed"."""

    account = models.ForeignKey(
        Account, on_delete=models.CASCADE, related_name="+", db_index=False,
        verbose_name=_("account"),
    )  # fmt: skip
    device = models.ForeignKey(
        Device, on_delete=models.CASCADE, related_name="+", db_index=False,
        verbose_name=_("device"),
    )  # fmt: skip
    day = models.DateField(_("day"))
    text = models.CharField(_("note"), max_length=LONGEST_NOTE)
    created_by = models.ForeignKey(
        User, on_delete=models.SET_NULL, null=True, related_name="+", editable=False,
        verbose_name=_("created by"),
    )  # fmt: skip
    created_at = models.DateTimeField(_("created at"), db_default=Now())

    class Meta:
        db_table = "day_note"
        ordering = ["-day", "-id"]
        verbose_name = _("note on a day")
        verbose_name_plural = _("notes on days")
        indexes = [
            models.Index("device", F("day").desc(), name="day_note_device"),
            models.Index(fields=["account"], name="day_note_account"),
        ]

    def __str__(self) -> str:
        return f"{self.day:%Y-%m-%d} {self.text}"
