"""Virtual meters: sums and differences of devices, such as a common area."""

from decimal import Decimal
from typing import Any

from django.core.exceptions import ValidationError
from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import models
from django.utils.translation import gettext_lazy as _

from telemetry.models.accounts import Account
from telemetry.models.fleet import Device


class VirtualMeter(models.Model):
    """A meter that no gateway reads: its months are those of its devices, added and subtracted.
    Closed months keep what it came to."""

    account = models.ForeignKey(
        Account, on_delete=models.CASCADE, related_name="virtual_meters", verbose_name=_("account")
    )
    code = models.CharField(_("code"), max_length=50)
    name = models.CharField(_("name"), max_length=100, blank=True)
    unit = models.CharField(
        _("unit"), max_length=20, blank=True, help_text=_("All its devices have it.")
    )
    largest_share = models.DecimalField(
        _("largest share"),
        max_digits=5,
        decimal_places=4,
        null=True,
        blank=True,
        validators=[MinValueValidator(Decimal(0)), MaxValueValidator(Decimal(1))],
        help_text=_(
            "What may be left of the devices that are added, 0 to 1; more is a finding, as it is "
            "when less than nothing is left. Empty: any share."
        ),
    )

    class Meta:
        db_table = "virtual_meter"
        ordering = ["account", "code"]
        verbose_name = _("virtual meter")
        verbose_name_plural = _("virtual meters")
        constraints = [
            models.UniqueConstraint(fields=["account", "code"], name="virtual_meter_account_code")
        ]

    def __str__(self) -> str:
        return f"{self.code} {self.name}".rstrip()


class VirtualPart(models.Model):
    """A device of a virtual meter: added, or subtracted. Its account is that of the meter."""

    class Sign(models.IntegerChoices):
        ADDED = 1, _("added")
        SUBTRACTED = -1, _("subtracted")

    account = models.ForeignKey(
        Account,
        on_delete=models.CASCADE,
        related_name="+",
        editable=False,
        verbose_name=_("account"),
    )
    meter = models.ForeignKey(
        VirtualMeter,
        on_delete=models.CASCADE,
        related_name="parts",
        verbose_name=_("virtual meter"),
    )
    device = models.ForeignKey(
        Device, on_delete=models.PROTECT, related_name="+", verbose_name=_("device")
    )
    sign = models.SmallIntegerField(_("sign"), choices=Sign, default=Sign.ADDED)

    class Meta:
        db_table = "virtual_part"
        ordering = ["meter", "-sign", "id"]
        verbose_name = _("part")
        verbose_name_plural = _("parts")
        constraints = [
            models.UniqueConstraint(fields=["meter", "device"], name="virtual_part_once"),
            models.CheckConstraint(condition=models.Q(sign__in=(1, -1)), name="virtual_part_sign"),
        ]

    def __str__(self) -> str:
        return f"{'+' if self.sign > 0 else '-'} {self.device}"

    def save(self, *args: Any, **kwargs: Any) -> None:
        """With the account of the meter."""
        self.account_id = self.meter.account_id
        super().save(*args, **kwargs)

    def clean(self) -> None:
        """The device is of the meter's account, has its unit, and consumes."""
        if self.device_id is None or (self.meter_id is None and self.meter is None):
            return
        if self.device.account_id != self.meter.account_id:
            raise ValidationError({"device": _("This device is another account's.")})
        if self.device.measurement == "gauge":
            raise ValidationError({"device": _("A gauge consumes nothing.")})
        if self.device.unit != self.meter.unit:
            raise ValidationError(
                {
                    "device": _("Its unit is %(unit)s; expected %(expected)s.")
                    % {"unit": self.device.unit or "-", "expected": self.meter.unit or "-"}
                }
            )
