"""Reports that are sent by themselves, and what was sent."""

from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import models
from django.db.models.functions import Now
from django.utils.translation import gettext_lazy as _

from telemetry.models.accounts import Account, User


class ReportSchedule(models.Model):
    """A report of the billing month that is over, sent to members of the account."""

    class Grouping(models.TextChoices):
        DEVICE = "device", _("device")
        GROUP = "group", _("group")
        GATEWAY = "gateway", _("gateway")
        KIND = "kind", _("kind")
        ACCOUNT = "account", _("account")

    class Format(models.TextChoices):
        XLSX = "xlsx", "XLSX"
        CSV = "csv", "CSV"

    account = models.ForeignKey(
        Account,
        on_delete=models.CASCADE,
        related_name="report_schedules",
        verbose_name=_("account"),
    )
    name = models.CharField(_("name"), max_length=100)
    grouping = models.CharField(
        _("lines by"), max_length=10, choices=Grouping, default=Grouping.DEVICE
    )
    format = models.CharField(_("format"), max_length=5, choices=Format, default=Format.XLSX)
    days_after = models.PositiveSmallIntegerField(
        _("days after the month's end"),
        default=1,
        validators=[MinValueValidator(0), MaxValueValidator(27)],
        help_text=_("Late readings of the month can still come in until then."),
    )
    language = models.CharField(_("language"), max_length=10, default="en")
    recipients = models.ManyToManyField(
        User, related_name="report_schedules", verbose_name=_("recipients"),
        db_table="report_recipient",
    )  # fmt: skip
    is_active = models.BooleanField(_("active"), default=True)
    created_by = models.ForeignKey(
        User, on_delete=models.SET_NULL, null=True, related_name="+", verbose_name=_("created by")
    )
    created_at = models.DateTimeField(_("created at"), db_default=Now())

    class Meta:
        db_table = "report_schedule"
        ordering = ["name", "id"]
        verbose_name = _("report schedule")
        verbose_name_plural = _("report schedules")

    def __str__(self) -> str:
        return f"{self.account} {self.name}"


class ReportDelivery(models.Model):
    """That a month's report of a schedule was sent, or why not yet. One row each."""

    schedule = models.ForeignKey(
        ReportSchedule,
        on_delete=models.CASCADE,
        related_name="deliveries",
        verbose_name=_("report schedule"),
    )
    month = models.DateField(_("month"))
    tries = models.PositiveIntegerField(_("tries"), default=0)
    tried_at = models.DateTimeField(_("last try"), null=True)
    sent_at = models.DateTimeField(_("sent at"), null=True)
    sent_to = models.JSONField(_("sent to"), default=list)
    error = models.TextField(_("error"), blank=True, default="")

    class Meta:
        db_table = "report_delivery"
        ordering = ["-month", "schedule"]
        verbose_name = _("report delivery")
        verbose_name_plural = _("report deliveries")
        constraints = [
            models.UniqueConstraint(fields=["schedule", "month"], name="report_delivery_once")
        ]

    def __str__(self) -> str:
        return f"{self.schedule} {self.month}"
