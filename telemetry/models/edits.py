"""Edits: stored readings that somebody voided or gave another value, with the reason.

`reading` always holds the values that count. What a gateway sent is kept in `edited_reading`.
"""

from typing import Any

from django.core.validators import MinValueValidator
from django.db import models
from django.db.models import F, Q
from django.db.models.functions import Now
from django.utils.translation import gettext_lazy as _

from telemetry.models.accounts import Account, User
from telemetry.models.dead_letters import DeadLetter
from telemetry.models.fleet import Device


def _link_to_user(name: Any) -> "models.ForeignKey[User | None, User | None]":
    return models.ForeignKey(
        User, on_delete=models.SET_NULL, null=True, related_name="+", verbose_name=name
    )


class Edit(models.Model):
    """A change of the readings of a device in an account from `since` to `until`, both included.

    A void takes them out of every sum. A substitution gives each the same `value`, or multiplies it
    by `factor`. Where the account wants two people, an edit, and its undoing, waits for the second.
    """

    class Kind(models.TextChoices):
        VOID = "void", _("void")
        SUBSTITUTE = "substitute", _("substitution")

    class State(models.TextChoices):
        WAITING = "waiting", _("waits for approval")
        APPLIED = "applied", _("applied")
        REJECTED = "rejected", _("not approved")
        UNDO_WAITING = "undo_waiting", _("applied, its undoing waits for approval")
        UNDONE = "undone", _("undone")

    account = models.ForeignKey(
        Account,
        on_delete=models.PROTECT,
        db_index=False,  # the index below begins with it
        related_name="edits",
        verbose_name=_("account"),
    )
    device = models.ForeignKey(
        Device,
        on_delete=models.PROTECT,
        db_index=False,
        related_name="edits",
        verbose_name=_("device"),
    )
    kind = models.CharField(_("kind"), max_length=10, choices=Kind)
    since = models.DateTimeField(_("from"))
    until = models.DateTimeField(_("to"))
    value = models.DecimalField(_("new value"), max_digits=15, decimal_places=4, null=True)
    factor = models.DecimalField(
        _("factor"),
        max_digits=15,
        decimal_places=8,
        null=True,
        validators=[MinValueValidator(0)],
    )
    reason = models.TextField(_("reason"), max_length=500)
    state = models.CharField(_("state"), max_length=15, choices=State)
    readings_count = models.IntegerField(_("readings"), default=0, db_default=0)
    requested_by = _link_to_user(_("requested by"))
    requested_at = models.DateTimeField(_("requested at"), db_default=Now())
    decided_by = _link_to_user(_("approved or rejected by"))
    decided_at = models.DateTimeField(_("approved or rejected at"), null=True)
    undo_reason = models.TextField(
        _("reason for undoing it"), max_length=500, blank=True, default="", db_default=""
    )
    undo_requested_by = _link_to_user(_("undoing requested by"))
    undo_requested_at = models.DateTimeField(_("undoing requested at"), null=True)
    undone_by = _link_to_user(_("undone by"))
    undone_at = models.DateTimeField(_("undone at"), null=True)
    dead_letter = models.ForeignKey(
        DeadLetter,
        null=True,
        on_delete=models.SET_NULL,
        related_name="edits",
        verbose_name=_("dead letter"),
        help_text=_("The conflict whose value was taken."),
    )

    class Meta:
        db_table = "edit"
        ordering = ["-requested_at", "-id"]
        verbose_name = _("edit")
        verbose_name_plural = _("edits")
        constraints = [
            models.CheckConstraint(condition=~Q(reason=""), name="edit_reason"),
            models.CheckConstraint(condition=Q(since__lte=F("until")), name="edit_period"),
            models.CheckConstraint(
                condition=Q(kind="void", value=None, factor=None)
                | Q(kind="substitute", value__isnull=False, factor=None)
                | Q(kind="substitute", value=None, factor__isnull=False),
                name="edit_value_or_factor",
            ),
        ]
        indexes = [
            models.Index("account", F("requested_at").desc(), name="edit_account_requested"),
            models.Index("device", F("requested_at").desc(), name="edit_device_requested"),
            models.Index(fields=["-requested_at", "-id"], name="edit_requested"),
            models.Index(
                fields=["account"],
                name="edit_account_waiting",
                condition=Q(state__in=["waiting", "undo_waiting"]),
            ),
        ]

    def __str__(self) -> str:
        return f"{self.kind} {self.device_id} {self.since:%Y-%m-%d %H:%M:%S}"


class EditedReading(models.Model):
    """What an edit did to one reading. `before` and `after` are the values that counted, null where
    none did; the other columns are the reading as it was received. `is_current`: no later edit
    of it is applied; an edit that was undone has none."""

    id = models.BigAutoField(primary_key=True)
    edit = models.ForeignKey(
        Edit,
        on_delete=models.PROTECT,
        db_index=False,
        related_name="readings",
        verbose_name=_("edit"),
    )
    device_id = models.BigIntegerField(_("device"))
    time = models.DateTimeField(_("time"))
    received_at = models.DateTimeField(_("received at"))
    account_id = models.BigIntegerField(_("account"))
    gateway_id = models.BigIntegerField(_("gateway"))
    raw_value = models.DecimalField(_("received value"), max_digits=15, decimal_places=4)
    unit = models.TextField(_("unit"))
    raw = models.JSONField(_("raw"), null=True)
    before = models.DecimalField(_("before"), max_digits=15, decimal_places=4, null=True)
    after = models.DecimalField(_("after"), max_digits=15, decimal_places=4, null=True)
    is_current = models.BooleanField(_("current"))

    class Meta:
        db_table = "edited_reading"
        ordering = ["device_id", "time"]
        verbose_name = _("edited reading")
        verbose_name_plural = _("edited readings")
        constraints = [
            models.UniqueConstraint(fields=["edit", "time"], name="edited_reading_once"),
            models.UniqueConstraint(
                fields=["device_id", "time"],
                name="edited_reading_current",
                condition=Q(is_current=True),
            ),
        ]
        indexes = [
            # Ingestion looks here for what it must not store again.
            models.Index(
                fields=["time", "device_id"],
                name="edited_reading_void",
                condition=Q(is_current=True, after=None),
            )
        ]

    def __str__(self) -> str:
        return f"{self.device_id} {self.time:%Y-%m-%d %H:%M:%S}"
