"""Days and months of consumption, made by the refresh: read only. Meters that were replaced."""

from django.core.exceptions import ValidationError
from django.db import models
from django.db.models.functions import Now
from django.utils.translation import gettext_lazy as _

from telemetry.models.accounts import Account, User
from telemetry.models.fleet import Device
from telemetry.models.readings import link_without_constraint


class DailyAggregate(models.Model):
    """A device's local day of an account, in its time zone. `total` is null for gauges."""

    pk = models.CompositePrimaryKey("device_id", "day", "account_id")
    device = link_without_constraint(Device, _("device"))
    account = link_without_constraint(Account, _("account"))
    day = models.DateField(_("day"))
    total = models.DecimalField(_("total"), max_digits=30, decimal_places=4, null=True)
    reading_sum = models.DecimalField(_("sum of readings"), max_digits=30, decimal_places=4)
    minimum = models.DecimalField(_("minimum"), max_digits=15, decimal_places=4)
    maximum = models.DecimalField(_("maximum"), max_digits=15, decimal_places=4)
    first = models.DecimalField(_("first"), max_digits=15, decimal_places=4)
    last = models.DecimalField(_("last"), max_digits=15, decimal_places=4)
    readings_count = models.BigIntegerField(_("readings"))
    intervals_seen = models.DecimalField(_("intervals seen"), max_digits=30, decimal_places=4)

    class Meta:
        db_table = "daily_aggregate"
        managed = False
        verbose_name = _("daily aggregate")
        verbose_name_plural = _("daily aggregates")

    def __str__(self) -> str:
        return f"{self.device_id} {self.day}"


class MonthlyConsumption(models.Model):
    """A device's billing month in an account. The key is `<device id>.<first day>.<account id>`;
    `month_end` is the first day of the next month. `total` and `daily_mean` are null for gauges."""

    class State(models.TextChoices):
        OPEN = "open", _("open")
        CLOSED = "closed", _("closed")
        ADJUSTED = "adjusted", _("closed, adjusted since")

    id = models.TextField(primary_key=True)
    account = link_without_constraint(Account, _("account"))
    device = link_without_constraint(Device, _("device"))
    month = models.DateField(_("month"))
    month_end = models.DateField(_("next month"))
    total = models.DecimalField(_("total"), max_digits=30, decimal_places=4, null=True)
    daily_mean = models.DecimalField(_("daily mean"), max_digits=30, decimal_places=10, null=True)
    reading_mean = models.DecimalField(_("mean of readings"), max_digits=30, decimal_places=10)
    reading_sum = models.DecimalField(_("sum of readings"), max_digits=30, decimal_places=4)
    readings_count = models.BigIntegerField(_("readings"))
    coverage = models.DecimalField(_("coverage"), max_digits=30, decimal_places=10, null=True)
    first_register = models.DecimalField(_("first reading"), max_digits=15, decimal_places=4)
    last_register = models.DecimalField(_("last reading"), max_digits=15, decimal_places=4)
    minimum = models.DecimalField(_("minimum"), max_digits=15, decimal_places=4)
    maximum = models.DecimalField(_("maximum"), max_digits=15, decimal_places=4)
    state = models.CharField(_("state"), max_length=10, choices=State)

    class Meta:
        db_table = "monthly_consumption"
        managed = False
        ordering = ["-month", "device_id"]
        verbose_name = _("monthly consumption")
        verbose_name_plural = _("monthly consumption")

    def __str__(self) -> str:
        return f"{self.device_id} {self.month}"


class MeterReplacement(models.Model):
    """A register that was exchanged: the old one stopped at `old_value`, the new began at
    `new_value`. A reading at the same instant is one of the new register."""

    device = models.ForeignKey(
        Device, on_delete=models.PROTECT, related_name="replacements", verbose_name=_("device")
    )
    at = models.DateTimeField(_("at"))
    old_value = models.DecimalField(_("last of the old"), max_digits=15, decimal_places=4)
    new_value = models.DecimalField(_("first of the new"), max_digits=15, decimal_places=4)
    note = models.TextField(_("note"), blank=True, default="", db_default="")
    created_by = models.ForeignKey(
        User,
        on_delete=models.SET_NULL,
        null=True,
        editable=False,
        related_name="+",
        verbose_name=_("created by"),
    )
    created_at = models.DateTimeField(_("created at"), db_default=Now(), editable=False)

    class Meta:
        db_table = "meter_replacement"
        ordering = ["-at"]
        verbose_name = _("meter replacement")
        verbose_name_plural = _("meter replacements")
        constraints = [
            models.UniqueConstraint(
                fields=["device", "at"],
                name="meter_replacement_device_at",
                violation_error_message=_("This device has a replacement at this instant already."),
            )
        ]

    def __str__(self) -> str:
        return f"{self.device} {self.at:%Y-%m-%d %H:%M}"

    def clean(self) -> None:
        """Reject it for devices that are no registers."""
        if self.device_id and self.device.measurement != Device.Measurement.CUMULATIVE:
            raise ValidationError(
                {"device": _("Only a cumulative device has a register that can be replaced")}
            )
