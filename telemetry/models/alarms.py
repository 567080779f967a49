"""Alarms: of a device's own limits, and of rules. Raised by tasks, acknowledged by members."""

from django.db import models
from django.db.models.functions import Now
from django.utils.translation import gettext_lazy as _

from telemetry.core.alarm_rules import KINDS
from telemetry.models.accounts import Account, User
from telemetry.models.fleet import Device, Gateway


class Alarm(models.Model):
    """A run of readings beyond one limit of a device, or a condition of a rule that held.

    Open while `closed_at` is null.
    It has one limit and one account all its life: when either changes, it ends. `value` is the
    worst of its readings, in the device's unit; `opened_at` and `last_beyond_at` are the times of
    the first and the last of them. `low` and `high` are the device's own limits; every other kind
    has a rule, until that is deleted. Without an account it is about the system.
    """

    class Kind(models.TextChoices):
        LOW = "low", _("below the limit")
        HIGH = "high", _("above the limit")
        ABOVE = "above", _("reading above")
        BELOW = "below", _("reading below")
        JUMP = "jump", _("jump between readings above")
        DEVICE_LIMITS = "device_limits", _("beyond the device's own limits")
        DAY = "day", _("consumption of the day above")
        MONTH = "month", _("consumption of the month above")
        NIGHT = "night", _("consumption in every hour of the night (02:00 to 05:00) above")
        NO_DATA = "no_data", _("no data for longer than")
        FINDING = "finding", _("finding to decide")
        OFFLINE = "offline", _("gateway offline")
        DROPS = "drops", _("broker dropped messages")
        DIFFERENCE = "difference", _("messages are not accounted for")
        GUARD = "guard", _("reject guard holds batches")
        AGGREGATES = "aggregates", _("aggregates older than")
        CERTIFICATE = "certificate", _("certificate ends within")
        DISK = "disk", _("disk fuller than")

    class Ending(models.TextChoices):
        READING = "reading", _("within the limit again")
        LIMIT = "limit", _("limit changed or removed")
        INACTIVE = "inactive", _("device deactivated")
        MOVED = "moved", _("device moved to another account")
        CLEARED = "cleared", _("condition ended")
        RULE = "rule", _("rule changed or removed")

    # The indexes below begin with them.
    account = models.ForeignKey(
        Account,
        on_delete=models.CASCADE,
        null=True,
        db_index=False,
        related_name="alarms",
        verbose_name=_("account"),
    )
    device = models.ForeignKey(
        Device,
        on_delete=models.CASCADE,
        null=True,
        db_index=False,
        related_name="alarms",
        verbose_name=_("device"),
    )
    gateway = models.ForeignKey(
        Gateway, on_delete=models.CASCADE, null=True, related_name="+", verbose_name=_("gateway")
    )
    rule = models.ForeignKey(
        "telemetry.AlarmRule", on_delete=models.SET_NULL, null=True, related_name="alarms",
        verbose_name=_("alarm rule"),
    )  # fmt: skip
    kind = models.CharField(_("kind"), max_length=20, choices=Kind)
    limit = models.DecimalField(
        _("limit"), max_digits=15, decimal_places=4, null=True, db_column="limit_value"
    )
    value = models.DecimalField(_("worst value"), max_digits=30, decimal_places=4, null=True)
    detail = models.CharField(_("detail"), max_length=500, blank=True, default="", db_default="")
    escalated_at = models.DateTimeField(_("escalated at"), null=True)
    opened_at = models.DateTimeField(_("since"))
    last_beyond_at = models.DateTimeField(_("last beyond at"))
    closed_at = models.DateTimeField(_("until"), null=True)
    ending = models.CharField(
        _("ended by"), max_length=10, choices=Ending, blank=True, default="", db_default=""
    )
    acknowledged_by = models.ForeignKey(
        User,
        null=True,
        on_delete=models.SET_NULL,
        related_name="+",
        verbose_name=_("acknowledged by"),
    )
    acknowledged_at = models.DateTimeField(_("acknowledged at"), null=True)
    note = models.TextField(_("note"), max_length=500, blank=True, default="", db_default="")
    changed_at = models.DateTimeField(_("changed at"), db_default=Now())

    class Meta:
        db_table = "alarm"
        ordering = ["-opened_at", "-id"]
        verbose_name = _("alarm")
        verbose_name_plural = _("alarms")
        constraints = [
            models.UniqueConstraint(
                fields=["device", "kind"],
                name="alarm_open_once",
                condition=models.Q(closed_at=None, kind__in=("low", "high")),
            )
        ]
        indexes = [
            models.Index("account", models.F("opened_at").desc(), name="alarm_account_opened"),
            models.Index(
                fields=["account"], name="alarm_account_open", condition=models.Q(closed_at=None)
            ),
            models.Index("account", models.F("changed_at").desc(), name="alarm_account_changed"),
            models.Index("device", models.F("opened_at").desc(), name="alarm_device_opened"),
            models.Index(fields=["-opened_at", "-id"], name="alarm_opened"),
        ]

    def __str__(self) -> str:
        return f"{self.device_id} {self.kind} {self.opened_at:%Y-%m-%d %H:%M:%S}"

    @property
    def unit(self) -> str:
        """The unit of limit and value; empty where it is the device's."""
        return KINDS[self.kind].unit if self.kind in KINDS else ""


class AlarmCursor(models.Model):
    """How far a device's readings were evaluated, in which account and with which limits."""

    device = models.OneToOneField(
        Device, on_delete=models.CASCADE, primary_key=True, related_name="+"
    )
    account_id = models.BigIntegerField()
    low = models.DecimalField(max_digits=15, decimal_places=4, null=True)
    high = models.DecimalField(max_digits=15, decimal_places=4, null=True)
    evaluated_until = models.DateTimeField()

    class Meta:
        db_table = "alarm_cursor"

    def __str__(self) -> str:
        return f"{self.device_id} {self.evaluated_until:%Y-%m-%d %H:%M:%S}"
