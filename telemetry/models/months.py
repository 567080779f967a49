"""Closed billing months and what became of them. Written by `telemetry.store` alone.

A month is named by its first day in the account's billing calendar.
"""

from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models.functions import Now
from django.utils.translation import gettext_lazy as _

from telemetry.models.accounts import Account, User
from telemetry.models.fleet import Device


class ClosedMonth(models.Model):
    """A month that was billed: its totals stay, later changes become adjustments. `virtual_lines`:
    what the account's virtual meters came to."""

    account = models.ForeignKey(
        Account, on_delete=models.PROTECT, related_name="closed_months", verbose_name=_("account")
    )
    month = models.DateField(_("month"))
    closed_by = models.ForeignKey(
        User,
        on_delete=models.SET_NULL,
        null=True,
        related_name="+",
        verbose_name=_("closed by"),
    )
    closed_at = models.DateTimeField(_("closed at"), db_default=Now())
    note = models.TextField(_("note"), blank=True, default="", db_default="")
    virtual_lines = models.JSONField(_("virtual meters"), default=list, db_default=[])

    class Meta:
        db_table = "closed_month"
        ordering = ["-month", "account"]
        verbose_name = _("closed month")
        verbose_name_plural = _("closed months")
        constraints = [
            models.UniqueConstraint(fields=["account", "month"], name="closed_month_account_month")
        ]

    def __str__(self) -> str:
        return f"{self.account} {self.month}"


class ClosedLine(models.Model):
    """A device in a closed month, whole, as it was when the month was closed: what is billed.
    Names, unit and register of later days change nothing in it.

    Codes and names are empty where the device was another account's by then. `estimated`: what of
    the total comes from gaps that reach beyond the month. `bands`: the total by time-of-use band,
    with the largest demand; empty where the account had none. `quality`: rules of what was found
    and not put right before the closing.
    """

    account_id = models.BigIntegerField(_("account"))
    month = models.DateField(_("month"))
    month_end = models.DateField(_("next month"))
    device_id = models.BigIntegerField(_("device"))
    gateway_id = models.BigIntegerField(_("gateway"), null=True)
    gateway_code = models.TextField(_("gateway code"))
    gateway_name = models.TextField(_("gateway name"))
    code = models.TextField(_("code"))
    name = models.TextField(_("name"))
    group = models.TextField(_("group"))
    kind = models.TextField(_("kind"))
    measurement = models.TextField(_("measurement"))
    unit = models.TextField(_("unit"))
    total = models.DecimalField(_("total"), max_digits=30, decimal_places=4, null=True)
    daily_mean = models.DecimalField(_("daily mean"), max_digits=30, decimal_places=10, null=True)
    reading_mean = models.DecimalField(_("mean of readings"), max_digits=30, decimal_places=10)
    reading_sum = models.DecimalField(_("sum of readings"), max_digits=30, decimal_places=4)
    readings_count = models.BigIntegerField(_("readings"))
    coverage = models.DecimalField(_("coverage"), max_digits=30, decimal_places=10, null=True)
    estimated = models.DecimalField(
        _("estimated"), max_digits=30, decimal_places=4, default=0, db_default=0
    )
    first_register = models.DecimalField(
        _("first reading"), max_digits=15, decimal_places=4, null=True
    )
    last_register = models.DecimalField(
        _("last reading"), max_digits=15, decimal_places=4, null=True
    )
    minimum = models.DecimalField(_("minimum"), max_digits=15, decimal_places=4, null=True)
    maximum = models.DecimalField(_("maximum"), max_digits=15, decimal_places=4, null=True)
    quality = ArrayField(models.TextField(), verbose_name=_("quality"), default=list, db_default=[])
    bands = models.JSONField(_("bands"), default=list, db_default=[])

    class Meta:
        db_table = "closed_line"
        ordering = ["-month", "gateway_code", "code", "device_id"]
        verbose_name = _("closed line")
        verbose_name_plural = _("closed lines")
        constraints = [
            models.UniqueConstraint(
                fields=["device_id", "month", "account_id"], name="closed_line_key"
            ),
        ]
        indexes = [models.Index(fields=["account_id", "month"], name="closed_line_account_month")]

    def __str__(self) -> str:
        return f"{self.device_id} {self.month}"


class MonthEvent(models.Model):
    """That a month was closed or reopened. `totals` holds, by device id, the closed total and the
    sum of the adjustments at that moment: reopening removes both. `lines`: what closing wrote of
    each device, by its id, against which the verification holds `ClosedLine`."""

    class Kind(models.TextChoices):
        CLOSED = "closed", _("closed")
        REOPENED = "reopened", _("reopened")

    account = models.ForeignKey(
        Account, on_delete=models.PROTECT, related_name="month_events", verbose_name=_("account")
    )
    month = models.DateField(_("month"))
    kind = models.CharField(_("kind"), max_length=10, choices=Kind)
    at = models.DateTimeField(_("at"), db_default=Now())
    by = models.ForeignKey(
        User, on_delete=models.SET_NULL, null=True, related_name="+", verbose_name=_("by")
    )
    note = models.TextField(_("note"), blank=True, default="", db_default="")
    totals = models.JSONField(_("totals"), default=dict)

    lines = models.JSONField(_("lines"), default=dict, db_default={}, editable=False)

    class Meta:
        db_table = "month_event"
        ordering = ["-at", "-id"]
        verbose_name = _("month event")
        verbose_name_plural = _("month events")
        indexes = [models.Index(fields=["account", "month"], name="month_event_account_month")]

    def __str__(self) -> str:
        return f"{self.account} {self.month} {self.kind}"


class MonthAdjustment(models.Model):
    """What a refresh found a device to have consumed more or less in a closed month, and why: edits
    and changes of the meter that it applied or undid, a move of the gateway to or from another
    account, and `causes`. Nothing of these: late readings, of before causes were kept. Closing a
    later month settles it there."""

    class Cause(models.TextChoices):
        READINGS = "readings", _("late readings")
        GAPS = "gaps", _("how gaps are counted was changed")
        REPAIR = "repair", _("repair by the verification")

    account = models.ForeignKey(
        Account, on_delete=models.PROTECT, related_name="adjustments", verbose_name=_("account")
    )
    device = models.ForeignKey(
        Device, on_delete=models.PROTECT, related_name="adjustments", verbose_name=_("device")
    )
    month = models.DateField(_("month"))
    difference = models.DecimalField(_("difference"), max_digits=30, decimal_places=4)
    recorded_at = models.DateTimeField(_("recorded at"), db_default=Now())
    edit_ids = ArrayField(
        models.BigIntegerField(), verbose_name=_("edits"), default=list, db_default=[]
    )
    installation_ids = ArrayField(
        models.BigIntegerField(), verbose_name=_("changes of meter"), default=list, db_default=[]
    )
    moved_at = models.DateTimeField(_("gateway moved at"), null=True)
    causes = ArrayField(
        models.CharField(max_length=10, choices=Cause),
        verbose_name=_("causes"),
        default=list,
        db_default=[],
    )
    settled_in = models.DateField(
        _("settled in"), null=True, help_text=_("The later month with which it is billed.")
    )

    class Meta:
        db_table = "month_adjustment"
        ordering = ["-recorded_at", "-id"]
        verbose_name = _("adjustment")
        verbose_name_plural = _("adjustments")
        indexes = [
            models.Index(fields=["device", "month"], name="month_adjustment_device_month"),
            models.Index(fields=["account", "month"], name="month_adjustment_account_month"),
        ]

    def __str__(self) -> str:
        return f"{self.device} {self.month} {self.difference}"
