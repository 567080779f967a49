"""Days and months of consumption, made by the refresh: read only."""

from django.db import models
from django.utils.translation import gettext_lazy as _

from telemetry.models.accounts import Account
from telemetry.models.fleet import Device
from telemetry.models.readings import link_without_constraint


class DailyAggregate(models.Model):
    """A device's local day of an account, in its time zone. `total` is null for gauges; `estimated`
    is what of it comes from gaps that reach beyond the day."""

    pk = models.CompositePrimaryKey("device_id", "day", "account_id")
    device = link_without_constraint(Device, _("device"))
    account = link_without_constraint(Account, _("account"))
    day = models.DateField(_("day"))
    total = models.DecimalField(_("total"), max_digits=30, decimal_places=4, null=True)
    reading_sum = models.DecimalField(_("sum of readings"), max_digits=30, decimal_places=4)
    estimated = models.DecimalField(_("estimated"), max_digits=30, decimal_places=4)
    minimum = models.DecimalField(_("minimum"), max_digits=15, decimal_places=4, null=True)
    maximum = models.DecimalField(_("maximum"), max_digits=15, decimal_places=4, null=True)
    first = models.DecimalField(_("first"), max_digits=15, decimal_places=4, null=True)
    last = models.DecimalField(_("last"), max_digits=15, decimal_places=4, null=True)
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
    first_register = models.DecimalField(
        _("first reading"), max_digits=15, decimal_places=4, null=True
    )
    last_register = models.DecimalField(
        _("last reading"), max_digits=15, decimal_places=4, null=True
    )
    minimum = models.DecimalField(_("minimum"), max_digits=15, decimal_places=4, null=True)
    maximum = models.DecimalField(_("maximum"), max_digits=15, decimal_places=4, null=True)
    estimated = models.DecimalField(_("estimated"), max_digits=30, decimal_places=4)
    state = models.CharField(_("state"), max_length=10, choices=State)

    class Meta:
        db_table = "monthly_consumption"
        managed = False
        ordering = ["-month", "device_id"]
        verbose_name = _("monthly consumption")
        verbose_name_plural = _("monthly consumption")

    def __str__(self) -> str:
        return f"{self.device_id} {self.month}"
