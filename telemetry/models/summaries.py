"""Sums that the admin shows at once, however much they are of. Written by a task each minute."""

from django.db import models
from django.db.models.functions import Now
from django.utils.translation import gettext_lazy as _

from telemetry.core.reasons import Reason
from telemetry.models.accounts import Account


class LedgerQuarter(models.Model):
    """What was stored in a quarter of an hour, from the ledger."""

    start = models.DateTimeField(_("start"), primary_key=True)
    messages = models.BigIntegerField(_("messages"))
    dead_letters = models.BigIntegerField(_("dead letters"))
    summed_at = models.DateTimeField(_("summed at"), db_default=Now())

    class Meta:
        db_table = "ledger_quarter"
        ordering = ["-start"]
        verbose_name = _("quarter of an hour")
        verbose_name_plural = _("quarters of an hour")

    def __str__(self) -> str:
        return f"{self.start:%Y-%m-%d %H:%M}"


class DeadLetterGroup(models.Model):
    """Waiting dead letters of one reason and one gateway: what one decision is made about."""

    reason = models.CharField(
        _("reason"), max_length=30, choices=[(str(reason), str(reason)) for reason in Reason]
    )
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
    messages = models.BigIntegerField(_("messages"))
    first_seen = models.DateTimeField(_("first seen"))
    last_seen = models.DateTimeField(_("last seen"))

    class Meta:
        db_table = "dead_letter_group"
        ordering = ["-messages", "-last_seen", "id"]
        verbose_name = _("group of dead letters")
        verbose_name_plural = _("groups of dead letters")
        constraints = [
            models.UniqueConstraint(
                fields=["reason", "mac", "account"],
                name="dead_letter_group_key",
                nulls_distinct=False,
            )
        ]

    def __str__(self) -> str:
        return f"{self.reason} {self.mac}"
