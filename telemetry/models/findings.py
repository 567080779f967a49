"""Findings: what a validation rule says of a device's readings, and what somebody decided."""

from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models import F, Q
from django.db.models.functions import Now
from django.utils.translation import gettext_lazy as _

from telemetry.models.accounts import Account, User
from telemetry.models.edits import Edit
from telemetry.models.fleet import Device


class Finding(models.Model):
    """Something of a device from `since` to `until` that somebody should look at. Null: it goes on.

    Written by a task, from what is stored; a decision is never overwritten. `evidence`: values and
    instants, by rule. It is `gone` when what is stored says it no more, for example after late
    readings; `voided` and `substituted` are by an edit.
    """

    class Rule(models.TextChoices):
        DIP = "dip", _("dip: a few readings far below the others")
        SPIKE = "spike", _("spike: a few readings far above the others")
        RESET = "reset", _("reset: the register began again at zero")
        TOO_FAST = "too_fast", _("faster than the largest plausible rate")
        SILENT = "silent", _("silent: no readings")
        STUCK = "stuck", _("stuck: it stands while its neighbours count")
        OLD_CLOCK = "old_clock", _("old clock: stamps far from when they came")
        NEGATIVE = "negative", _("negative consumption")
        LATE = "late", _("late readings")
        DOUBLE = "double", _("double: a delta counted twice")
        SCALE = "scale", _("scale: 10, 100 or 1,000 times what is usual, or a part")
        BALANCE = "balance", _("balance: a main meter and its parts contradict each other")
        REPORTED = "reported", _("reported: somebody says that it is wrong")

    class State(models.TextChoices):
        OPEN = "open", _("open")
        ACCEPTED = "accepted", _("accepted")
        IGNORED = "ignored", _("ignored")
        VOIDED = "voided", _("voided")
        SUBSTITUTED = "substituted", _("substituted")
        GONE = "gone", _("gone")

    account = models.ForeignKey(
        Account,
        on_delete=models.CASCADE,
        db_index=False,
        related_name="findings",
        verbose_name=_("account"),
    )
    device = models.ForeignKey(
        Device,
        on_delete=models.CASCADE,
        db_index=False,
        related_name="findings",
        verbose_name=_("device"),
    )
    rule = models.CharField(_("rule"), max_length=10, choices=Rule)
    since = models.DateTimeField(_("from"))
    until = models.DateTimeField(_("to"), null=True)
    evidence = models.JSONField(_("evidence"), default=dict)
    state = models.CharField(
        _("state"), max_length=12, choices=State, default=State.OPEN, db_default=State.OPEN
    )
    found_at = models.DateTimeField(_("found at"), db_default=Now())
    changed_at = models.DateTimeField(_("changed at"), db_default=Now())
    decided_by = models.ForeignKey(
        User, on_delete=models.SET_NULL, null=True, related_name="+", verbose_name=_("decided by")
    )
    decided_at = models.DateTimeField(_("decided at"), null=True)
    note = models.TextField(_("note"), max_length=500, blank=True, default="", db_default="")
    edit = models.ForeignKey(
        Edit, on_delete=models.SET_NULL, null=True, related_name="findings", verbose_name=_("edit")
    )

    class Meta:
        db_table = "finding"
        ordering = ["-since", "-id"]
        verbose_name = _("finding")
        verbose_name_plural = _("findings")
        constraints = [
            models.UniqueConstraint(
                fields=["device", "rule", "since", "account"], name="finding_once"
            )
        ]
        indexes = [
            models.Index("account", F("since").desc(), name="finding_account_since"),
            models.Index(
                fields=["account", "since"], name="finding_account_open", condition=Q(state="open")
            ),
            models.Index("account", F("changed_at").desc(), name="finding_account_changed"),
            models.Index(fields=["-since", "-id"], name="finding_since"),
        ]

    def __str__(self) -> str:
        return f"{self.rule} {self.device_id} {self.since:%Y-%m-%d %H:%M}"


class ChangedHour(models.Model):
    """Hours that the refresh computed and the rules of findings have not looked at. Rows are only
    added and removed."""

    id = models.BigAutoField(primary_key=True)
    hour = models.DateTimeField(_("hour"))
    device_ids = ArrayField(models.BigIntegerField(), verbose_name=_("devices"))

    class Meta:
        db_table = "changed_hour"
        ordering = ["hour", "id"]
        verbose_name = _("hour to look at")
        verbose_name_plural = _("hours to look at")
        indexes = [models.Index(fields=["hour", "id"], name="changed_hour_hour")]

    def __str__(self) -> str:
        return f"{self.hour:%Y-%m-%d %H:%M}"
