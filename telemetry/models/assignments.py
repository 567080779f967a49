"""Assignments: which account a gateway belonged to, from when on."""

from django.db import models
from django.utils.translation import gettext_lazy as _

from telemetry.models.accounts import Account
from telemetry.models.fleet import Gateway


class Assignment(models.Model):
    """A gateway, with its devices, is the account's after `since`; null: from the beginning.

    Triggers write it when a gateway's account changes (`telemetry/sql/schema/fleet.sql`). A gateway
    that never changed has none. A reading belongs to the account of its own time.
    """

    gateway = models.ForeignKey(
        Gateway,
        on_delete=models.CASCADE,
        db_index=False,  # the unique index begins with it
        related_name="assignments",
        verbose_name=_("gateway"),
    )
    account = models.ForeignKey(
        Account, on_delete=models.PROTECT, related_name="assignments", verbose_name=_("account")
    )
    since = models.DateTimeField(_("from"), null=True)

    class Meta:
        db_table = "assignment"
        ordering = ["gateway", models.F("since").desc(nulls_last=True)]
        verbose_name = _("assignment")
        verbose_name_plural = _("assignments")
        constraints = [
            models.UniqueConstraint(
                fields=["gateway", "since"], name="assignment_once", nulls_distinct=False
            )
        ]

    def __str__(self) -> str:
        return f"{self.gateway_id} {self.since or ''}".rstrip()
