"""Installations: the meters at a device, each from an instant on until the next one.

A device's columns of the same names are those of its newest installation; triggers keep them equal
(`telemetry/sql/schema/installations.sql`). Rules of entering one: `telemetry/installations`.
"""

from django.core.validators import MinValueValidator
from django.db import models
from django.db.models import F, Q
from django.db.models.functions import Now
from django.utils.translation import gettext_lazy as _

from telemetry.models.accounts import User
from telemetry.models.fleet import Device


class Installation(models.Model):
    """A meter at a device, or how one measures, from `since` on; null: from the beginning.

    `old_register`: what the meter before it had at that instant; `first_register`: what this one
    had. One that was undone counts for nothing, and is kept.
    """

    class Stamp(models.TextChoices):
        END = "end", _("the end of its interval")
        START = "start", _("the beginning of its interval")

    device = models.ForeignKey(
        Device,
        on_delete=models.CASCADE,
        db_index=False,  # the unique index begins with it
        related_name="installations",
        verbose_name=_("device"),
    )
    since = models.DateTimeField(_("from"), null=True)
    measurement = models.CharField(
        _("measurement"),
        max_length=10,
        choices=Device.Measurement,
        default=Device.Measurement.DELTA,
    )
    unit = models.CharField(_("unit"), max_length=10, blank=True, default="", db_default="")
    factor = models.DecimalField(
        _("factor"),
        max_digits=12,
        decimal_places=6,
        default=1,
        db_default=1,
        help_text=_("What is read is multiplied by it, as behind a transformer: 40 for 200/5 A."),
    )
    register_modulus = models.DecimalField(
        _("register rolls over at"),
        max_digits=15,
        decimal_places=4,
        null=True,
        blank=True,
        help_text=_("A cumulative register counts from 0 to below this. Empty: never, or unknown."),
    )
    interval_s = models.PositiveIntegerField(
        _("interval (s)"),
        null=True,
        blank=True,
        validators=[MinValueValidator(1)],
        help_text=_("Expected seconds between readings. Empty: one an hour is full coverage."),
    )
    is_net = models.BooleanField(
        _("counts backwards, too"),
        default=False,
        db_default=False,
        help_text=_("A net meter: energy that is fed in counts below zero."),
    )
    stamp = models.CharField(
        _("stamps name"),
        max_length=5,
        choices=Stamp,
        default=Stamp.END,
        db_default=Stamp.END,
        help_text=_(
            "Of what was used since the last reading. At the beginning: a reading is stored at its "
            "stamp and one interval."
        ),
    )
    largest_rate = models.DecimalField(
        _("largest plausible consumption an hour"),
        max_digits=15,
        decimal_places=4,
        null=True,
        blank=True,
        help_text=_("With the factor. More is a finding. Empty: as its history says."),
    )
    old_register = models.DecimalField(
        _("last of the old register"), max_digits=15, decimal_places=4, null=True, blank=True
    )
    first_register = models.DecimalField(
        _("first of the new register"), max_digits=15, decimal_places=4, null=True, blank=True
    )
    model = models.CharField(_("model"), max_length=100, blank=True, default="", db_default="")
    serial = models.CharField(
        _("serial number"), max_length=100, blank=True, default="", db_default=""
    )
    note = models.TextField(_("note"), max_length=500, blank=True, default="", db_default="")
    created_by = models.ForeignKey(
        User,
        on_delete=models.SET_NULL,
        null=True,
        editable=False,
        related_name="+",
        verbose_name=_("entered by"),
    )
    created_at = models.DateTimeField(_("entered at"), db_default=Now(), editable=False)
    undone_by = models.ForeignKey(
        User,
        on_delete=models.SET_NULL,
        null=True,
        editable=False,
        related_name="+",
        verbose_name=_("undone by"),
    )
    undone_at = models.DateTimeField(_("undone at"), null=True, editable=False)

    class Meta:
        db_table = "installation"
        ordering = ["device", F("since").desc(nulls_last=True), "id"]
        verbose_name = _("installation")
        verbose_name_plural = _("installations")
        constraints = [
            models.UniqueConstraint(
                fields=["device", "since"],
                name="installation_device_since",
                condition=Q(undone_at=None),
                nulls_distinct=False,
            ),
            models.CheckConstraint(condition=Q(factor__gt=0), name="installation_factor"),
            models.CheckConstraint(
                condition=Q(register_modulus__gt=0), name="installation_register_modulus"
            ),
            models.CheckConstraint(condition=Q(interval_s__gt=0), name="installation_interval_s"),
        ]

    def __str__(self) -> str:
        return f"{self.device} {self.since:%Y-%m-%d %H:%M}" if self.since else str(self.device)
