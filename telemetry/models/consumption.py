"""Days and months of consumption, made by the refresh: read only. Meters that were replaced."""

from datetime import datetime
from decimal import Decimal
from zoneinfo import ZoneInfo

from django.core.exceptions import ValidationError
from django.db import models
from django.db.models.functions import Now
from django.utils.translation import gettext_lazy as _

from telemetry.core.registers import rolls_over
from telemetry.models.accounts import Account, User
from telemetry.models.fleet import Device
from telemetry.models.readings import Reading, link_without_constraint


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


class MeterReplacement(models.Model):
    """A register that was exchanged: the old one stopped at `old_value`, the new began at
    `new_value`. A reading at the same instant is of the register that it equals, else of the old
    one."""

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
        """Reject it for devices that are no registers, and values that contradict the readings."""
        if self.device_id is None:
            return
        if self.device.measurement != Device.Measurement.CUMULATIVE:
            raise ValidationError(
                {"device": _("Only a cumulative device has a register that can be replaced")}
            )
        if None in (self.at, self.old_value, self.new_value):
            return
        before, after = self._find_before(), self._find_after()
        if before is not None and not self._can_follow(before[1], self.old_value):
            self._reject("old_value", self.old_value, before)
        if after is not None and not self._can_follow(self.new_value, after[1]):
            self._reject("new_value", self.new_value, after)

    def _find_before(self) -> tuple[datetime, Decimal] | None:
        """The last value of the old register: a reading, or what it began with."""
        readings = Reading.objects.filter(device_id=self.device_id, time__lte=self.at)
        readings = readings.exclude(time=self.at, value=self.new_value)
        began = self._list_others().filter(at__lt=self.at).order_by("-at").first()
        if began is not None:
            readings = readings.filter(time__gt=began.at)
        found = readings.order_by("-time").values_list("time", "value").first()
        return found or (None if began is None else (began.at, began.new_value))

    def _find_after(self) -> tuple[datetime, Decimal] | None:
        """The first value of the new register: a reading, or what it ended with."""
        readings = Reading.objects.filter(device_id=self.device_id, time__gt=self.at)
        ended = self._list_others().filter(at__gt=self.at).order_by("at").first()
        if ended is not None:
            readings = readings.filter(time__lte=ended.at)
        found = readings.order_by("time").values_list("time", "value").first()
        return found or (None if ended is None else (ended.at, ended.old_value))

    def _list_others(self) -> "models.QuerySet[MeterReplacement]":
        return MeterReplacement.objects.filter(device_id=self.device_id).exclude(pk=self.pk)

    def _can_follow(self, before: Decimal, after: Decimal) -> bool:
        modulus = self.device.register_modulus
        return after >= before or rolls_over(before, after, modulus=modulus)

    def _reject(self, field: str, value: Decimal, beside: tuple[datetime, Decimal]) -> None:
        account = self.device.account
        zone = ZoneInfo(account.time_zone)
        instants = [f"{at.astimezone(zone):%Y-%m-%d %H:%M:%S}" for at in (self.at, beside[0])]
        texts = {
            "old_value": _(
                "%(device)s: at %(at)s (%(zone)s) the old register cannot have %(value)s, as it "
                "had %(beside)s already at %(then)s. Correct the value or the instant, or void "
                "that reading."
            ),
            "new_value": _(
                "%(device)s: at %(at)s (%(zone)s) the new register cannot have %(value)s, as it "
                "had %(beside)s only at %(then)s. Correct the value or the instant, or void that "
                "reading."
            ),
        }
        params = {
            "device": f"{account} / {self.device.gateway.code} / {self.device.code}",
            "at": instants[0], "zone": account.time_zone, "value": value, "beside": beside[1],
            "then": instants[1],
        }  # fmt: skip
        raise ValidationError({field: ValidationError(texts[field], params=params, code=field)})
