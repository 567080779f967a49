"""Rules that raise alarms, whom they tell, and what was sent."""

from django.contrib.postgres.fields import ArrayField
from django.core.exceptions import ValidationError
from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import models
from django.db.models import F, Q
from django.db.models.functions import Now
from django.utils.translation import gettext_lazy as _

from telemetry.core.alarm_rules import KINDS, Source
from telemetry.models.accounts import Account, User
from telemetry.models.alarms import Alarm
from telemetry.models.fleet import Device, Gateway

DAY_MINUTES = 1_440
_MINUTES = [MinValueValidator(0), MaxValueValidator(7 * DAY_MINUTES)]


class Webhook(models.Model):
    """An address to which alarms are posted. `account` null: of the system's administrators."""

    account = models.ForeignKey(
        Account, on_delete=models.CASCADE, null=True, blank=True, related_name="webhooks",
        verbose_name=_("account"),
    )  # fmt: skip
    name = models.CharField(_("name"), max_length=100)
    url = models.URLField(_("address"), max_length=500)
    secret = models.CharField(_("secret"), max_length=100, editable=False)
    created_by = models.ForeignKey(
        User, on_delete=models.SET_NULL, null=True, related_name="+", verbose_name=_("created by"),
        editable=False,
    )  # fmt: skip
    created_at = models.DateTimeField(_("created at"), db_default=Now())

    class Meta:
        db_table = "webhook"
        ordering = ["name", "id"]
        verbose_name = _("webhook")
        verbose_name_plural = _("webhooks")

    def __str__(self) -> str:
        return self.name


class AlarmRule(models.Model):
    """What raises an alarm, and whom it tells. `account` null: the system's own state.

    An alarm is raised when its condition has held for `delay_minutes`, and cleared when it has not
    held for `clear_minutes`; values within `margin` of the limit do not clear it.
    """

    Kind = Alarm.Kind
    ACCOUNT_KINDS = [(k, Alarm.Kind(k).label) for k, spec in KINDS.items() if not spec.is_system]
    SYSTEM_KINDS = [(k, Alarm.Kind(k).label) for k, spec in KINDS.items() if spec.is_system]

    account = models.ForeignKey(
        Account, on_delete=models.CASCADE, null=True, blank=True, related_name="alarm_rules",
        verbose_name=_("account"), help_text=_("Empty: a rule about the system itself."),
    )  # fmt: skip
    name = models.CharField(_("name"), max_length=100, blank=True, default="", db_default="")
    kind = models.CharField(_("raise when"), max_length=20, choices=ACCOUNT_KINDS + SYSTEM_KINDS)
    gateway = models.ForeignKey(
        Gateway, on_delete=models.CASCADE, null=True, blank=True, related_name="+",
        verbose_name=_("gateway"), help_text=_("Empty: all gateways."),
    )  # fmt: skip
    device = models.ForeignKey(
        Device, on_delete=models.CASCADE, null=True, blank=True, related_name="+",
        verbose_name=_("device"), help_text=_("Empty: all devices."),
    )  # fmt: skip
    limit = models.DecimalField(
        _("limit"), max_digits=15, decimal_places=4, null=True, blank=True, db_column="limit_value"
    )
    margin = models.DecimalField(
        _("margin"), max_digits=15, decimal_places=4, default=0, db_default=0,
        validators=[MinValueValidator(0)],
        help_text=_("The value must be this far on the good side of the limit to clear the alarm."),
    )  # fmt: skip
    delay_minutes = models.PositiveIntegerField(
        _("raise after (minutes)"), default=0, db_default=0, validators=_MINUTES,
        help_text=_("How long the condition must hold."),
    )  # fmt: skip
    clear_minutes = models.PositiveIntegerField(
        _("clear after (minutes)"), default=10, db_default=10, validators=_MINUTES,
        help_text=_("How long it must not hold; values that come and go make one alarm."),
    )  # fmt: skip
    recipients = models.ManyToManyField(
        User, related_name="+", blank=True, verbose_name=_("e-mail to"),
        db_table="alarm_rule_recipient",
    )  # fmt: skip
    webhook = models.ForeignKey(
        Webhook, on_delete=models.SET_NULL, null=True, blank=True, related_name="rules",
        verbose_name=_("webhook"),
    )  # fmt: skip
    quiet_from = models.TimeField(_("quiet from"), null=True, blank=True)
    quiet_until = models.TimeField(
        _("quiet until"), null=True, blank=True,
        help_text=_("E-mails wait until the quiet hours end; webhooks do not."),
    )  # fmt: skip
    escalate_minutes = models.PositiveIntegerField(
        _("escalate after (minutes)"), null=True, blank=True,
        validators=[MinValueValidator(1), MaxValueValidator(7 * DAY_MINUTES)],
        help_text=_("When nobody has acknowledged the alarm by then."),
    )  # fmt: skip
    escalate_to = models.ManyToManyField(
        User, related_name="+", blank=True, verbose_name=_("escalate to"),
        db_table="alarm_rule_escalation",
    )  # fmt: skip
    is_active = models.BooleanField(_("active"), default=True, db_default=True)
    evaluated_at = models.DateTimeField(_("evaluated at"), null=True, editable=False)
    swept_at = models.DateTimeField(null=True, editable=False)
    created_by = models.ForeignKey(
        User, on_delete=models.SET_NULL, null=True, related_name="+", editable=False,
        verbose_name=_("created by"),
    )  # fmt: skip
    created_at = models.DateTimeField(_("created at"), db_default=Now())

    class Meta:
        db_table = "alarm_rule"
        ordering = ["account", "kind", "id"]
        verbose_name = _("alarm rule")
        verbose_name_plural = _("alarm rules")
        constraints = [
            models.CheckConstraint(
                name="alarm_rule_system",
                condition=Q(
                    account=None,
                    kind__in=[kind for kind, spec in KINDS.items() if spec.is_system],
                )
                | Q(
                    account__isnull=False,
                    kind__in=[kind for kind, spec in KINDS.items() if not spec.is_system],
                ),
                violation_error_message=_("This condition is not one of the account's."),
            )
        ]

    def __str__(self) -> str:
        return self.name or self.get_kind_display()

    def clean(self) -> None:
        """What it watches, and where it is told, are of its own account."""
        for name in ("gateway", "device", "webhook"):
            part = getattr(self, name)
            is_watched_by_system = self.account_id is None and name != "webhook"
            if part and part.account_id != self.account_id and not is_watched_by_system:
                raise ValidationError({name: _("This is another account's.")})

    @property
    def unit(self) -> str:
        """The unit of the limit; empty where it is the device's."""
        return KINDS[self.kind].unit

    @property
    def is_of_gateways(self) -> bool:
        """Whether it watches gateways and not devices."""
        return KINDS[self.kind].source == Source.GATEWAYS


class AlarmWatch(models.Model):
    """What a rule knows of one device, gateway or part: how long its condition has held, which
    alarm is open, and up to which reading it looked."""

    rule = models.ForeignKey(AlarmRule, on_delete=models.CASCADE, related_name="watches")
    account_id = models.BigIntegerField(null=True)
    subject = models.CharField(max_length=200)
    device_id = models.BigIntegerField(null=True)
    gateway_id = models.BigIntegerField(null=True)
    evaluated_until = models.DateTimeField(null=True)
    beyond_since = models.DateTimeField(null=True)
    last_beyond_at = models.DateTimeField(null=True)
    clear_since = models.DateTimeField(null=True)
    worst = models.DecimalField(max_digits=30, decimal_places=4, null=True)
    detail = models.CharField(max_length=500, blank=True, default="", db_default="")
    alarm = models.ForeignKey(Alarm, on_delete=models.SET_NULL, null=True, related_name="+")

    class Meta:
        db_table = "alarm_watch"
        constraints = [models.UniqueConstraint(fields=["rule", "subject"], name="alarm_watch_once")]
        indexes = [
            models.Index(
                fields=["rule"], name="alarm_watch_held", condition=Q(beyond_since__isnull=False)
            )
        ]

    def __str__(self) -> str:
        return f"{self.rule_id} {self.subject}"


class AlarmDelivery(models.Model):
    """One e-mail or one call of a webhook about alarms of a rule. It is tried again, later each
    time, until it succeeds or `failed_at` says that it was given up."""

    class Event(models.TextChoices):
        RAISED = "raised", _("raised")
        CLEARED = "cleared", _("cleared")
        ESCALATED = "escalated", _("escalated")
        TEST = "test", _("test")

    account = models.ForeignKey(
        Account, on_delete=models.CASCADE, null=True, related_name="+", verbose_name=_("account")
    )
    rule = models.ForeignKey(
        AlarmRule, on_delete=models.SET_NULL, null=True, related_name="deliveries",
        verbose_name=_("alarm rule"),
    )  # fmt: skip
    event = models.CharField(_("event"), max_length=10, choices=Event)
    alarm_ids = ArrayField(models.BigIntegerField(), verbose_name=_("alarms"), default=list)
    user = models.ForeignKey(
        User, on_delete=models.CASCADE, null=True, related_name="+", verbose_name=_("e-mail to")
    )
    webhook = models.ForeignKey(
        Webhook, on_delete=models.CASCADE, null=True, related_name="deliveries",
        verbose_name=_("webhook"),
    )  # fmt: skip
    created_at = models.DateTimeField(_("created at"), db_default=Now())
    due_at = models.DateTimeField(_("due at"))
    tries = models.PositiveIntegerField(_("tries"), default=0, db_default=0)
    tried_at = models.DateTimeField(_("last try"), null=True)
    sent_at = models.DateTimeField(_("sent at"), null=True)
    failed_at = models.DateTimeField(_("given up at"), null=True)
    error = models.TextField(_("error"), blank=True, default="", db_default="")

    class Meta:
        db_table = "alarm_delivery"
        ordering = ["-id"]
        verbose_name = _("alarm delivery")
        verbose_name_plural = _("alarm deliveries")
        indexes = [
            models.Index(
                fields=["due_at"],
                name="alarm_delivery_due",
                condition=Q(sent_at=None, failed_at=None),
            ),
            models.Index("account", F("id").desc(), name="alarm_delivery_account"),
        ]

    def __str__(self) -> str:
        return f"{self.event} {self.user or self.webhook}"
