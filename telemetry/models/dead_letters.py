"""Dead letters: rejected messages and readings, kept so that they can be sent again."""

from django.db import models
from django.utils.translation import gettext_lazy as _

from telemetry.core.reasons import Reason
from telemetry.models.accounts import Account, User
from telemetry.models.fleet import Gateway


class DeadLetter(models.Model):
    """A rejected message, or the message reduced to one rejected reading. Written by the workers.

    The same one again raises `occurrences`. Gateway and account carry no constraint, so that
    neither the hot path nor a deletion in the fleet waits for this table.
    """

    class State(models.TextChoices):
        PENDING = "pending", _("pending")
        REPLAYED = "replayed", _("replayed")
        DISCARDED = "discarded", _("discarded")
        TAKEN = "taken", _("value taken")

    fingerprint = models.BinaryField(_("fingerprint"), max_length=32, unique=True)
    topic = models.TextField(_("topic"))
    payload = models.BinaryField(_("payload"))
    reason = models.CharField(
        _("reason"),
        max_length=30,
        choices=[(str(reason), str(reason)) for reason in Reason],
    )
    detail = models.TextField(_("detail"), blank=True)
    mac = models.CharField(_("MAC"), max_length=17, blank=True, db_default="")
    device_code = models.CharField(_("device code"), max_length=20, blank=True, db_default="")
    gateway = models.ForeignKey(
        Gateway,
        null=True,
        on_delete=models.DO_NOTHING,
        db_constraint=False,
        db_index=False,
        related_name="dead_letters",
        verbose_name=_("gateway"),
    )
    account = models.ForeignKey(
        Account,
        null=True,
        on_delete=models.DO_NOTHING,
        db_constraint=False,
        db_index=False,  # the index below begins with it
        related_name="dead_letters",
        verbose_name=_("account"),
    )
    first_seen = models.DateTimeField(_("first seen"))
    last_seen = models.DateTimeField(_("last seen"))
    occurrences = models.BigIntegerField(_("occurrences"), db_default=1)
    state = models.CharField(
        _("state"), max_length=10, choices=State, default=State.PENDING, db_default=State.PENDING
    )
    handled_by = models.ForeignKey(
        User,
        null=True,
        on_delete=models.SET_NULL,
        related_name="+",
        verbose_name=_("handled by"),
    )
    handled_at = models.DateTimeField(_("handled at"), null=True)

    class Meta:
        db_table = "dead_letter"
        ordering = ["-last_seen", "-id"]
        verbose_name = _("dead letter")
        verbose_name_plural = _("dead letters")
        indexes = [
            models.Index(
                models.F("last_seen").desc(), models.F("id").desc(), name="dead_letter_last_seen"
            ),
            models.Index(
                "mac",
                models.F("last_seen").desc(),
                models.F("id").desc(),
                name="dead_letter_mac_last_seen",
            ),
            models.Index(fields=["state", "last_seen"], name="dead_letter_state"),
            models.Index(
                models.F("account"),
                models.F("last_seen").desc(),
                models.F("id").desc(),
                name="dead_letter_account_seen",
                condition=models.Q(account__isnull=False),
            ),
            models.Index(fields=["reason", "state"], name="dead_letter_reason"),
            models.Index(
                fields=["mac", "state"],
                name="dead_letter_mac_pending",
                condition=models.Q(state="pending"),
            ),
            models.Index(
                models.F("reason"),
                models.F("mac"),
                models.F("last_seen").desc(),
                models.F("id").desc(),
                name="dead_letter_group_seen",
                condition=models.Q(state="pending"),
            ),
        ]

    def __str__(self) -> str:
        return f"{self.reason} {self.mac or self.topic[:40]}"


class DeadLetterAction(models.Model):
    """A decision about the dead letters of a group. They have its user and its instant in
    `handled_by` and `handled_at`, by which it can be undone."""

    class Kind(models.TextChoices):
        DISCARD = "discard", _("discarded")
        REPLAY = "replay", _("replayed")
        EDIT = "edit", _("edited and replayed")

    at = models.DateTimeField(_("at"))
    user = models.ForeignKey(
        User, null=True, on_delete=models.SET_NULL, related_name="+", verbose_name=_("user")
    )
    kind = models.CharField(_("action"), max_length=10, choices=Kind)
    reason = models.CharField(_("reason"), max_length=30)
    mac = models.CharField(_("MAC"), max_length=17, blank=True, db_default="")
    account = models.ForeignKey(
        Account,
        null=True,
        on_delete=models.DO_NOTHING,
        db_constraint=False,
        related_name="+",
        verbose_name=_("account"),
    )
    dead_letters = models.BigIntegerField(_("dead letters"))
    note = models.TextField(_("why"), max_length=500, blank=True, db_default="")
    undone_at = models.DateTimeField(_("undone at"), null=True)

    class Meta:
        db_table = "dead_letter_action"
        ordering = ["-at", "-id"]
        verbose_name = _("decision about dead letters")
        verbose_name_plural = _("decisions about dead letters")
        indexes = [models.Index(fields=["-at", "-id"], name="dead_letter_action_at")]

    def __str__(self) -> str:
        return f"{self.get_kind_display()} {self.reason} {self.mac}"
