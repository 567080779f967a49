"""Invitations into an account, and the history of memberships."""

from django.db import models
from django.db.models.functions import Now
from django.utils.translation import gettext_lazy as _

from telemetry.models.accounts import Account, Membership, User


class Invitation(models.Model):
    """An invitation into an account, valid once. Only a digest of its secret is stored."""

    account = models.ForeignKey(
        Account, on_delete=models.CASCADE, related_name="invitations", verbose_name=_("account")
    )
    email = models.EmailField(_("e-mail address"))
    role = models.CharField(
        _("role"), max_length=10, choices=Membership.Role, default=Membership.Role.VIEWER
    )
    token_digest = models.CharField(max_length=64, unique=True, editable=False)
    invited_by = models.ForeignKey(
        User, on_delete=models.SET_NULL, null=True, related_name="+", verbose_name=_("invited by")
    )
    created_at = models.DateTimeField(_("created at"), db_default=Now())
    expires_at = models.DateTimeField(_("expires at"))
    accepted_at = models.DateTimeField(_("accepted at"), null=True)
    accepted_by = models.ForeignKey(
        User, on_delete=models.SET_NULL, null=True, related_name="+", verbose_name=_("accepted by")
    )
    revoked_at = models.DateTimeField(_("revoked at"), null=True)

    class Meta:
        db_table = "invitation"
        ordering = ["-created_at", "-id"]
        verbose_name = _("invitation")
        verbose_name_plural = _("invitations")

    def __str__(self) -> str:
        return f"{self.email} {self.account} ({self.role})"


class MembershipEvent(models.Model):
    """A change of an account's members: who did it, to whom."""

    class Kind(models.TextChoices):
        INVITED = "invited", _("invited")
        REVOKED = "revoked", _("invitation revoked")
        JOINED = "joined", _("joined")
        ROLE_CHANGED = "role_changed", _("role changed")
        REMOVED = "removed", _("removed")
        LEFT = "left", _("left")

    account = models.ForeignKey(
        Account, on_delete=models.CASCADE, related_name="member_events", verbose_name=_("account")
    )
    kind = models.CharField(_("kind"), max_length=15, choices=Kind)
    whom = models.CharField(
        _("whom"), max_length=254, help_text=_("User name, or the address that was invited.")
    )
    role = models.CharField(_("role"), max_length=10, choices=Membership.Role)
    by = models.ForeignKey(
        User, on_delete=models.SET_NULL, null=True, related_name="+", verbose_name=_("by")
    )
    at = models.DateTimeField(_("at"), db_default=Now())

    class Meta:
        db_table = "membership_event"
        ordering = ["-at", "-id"]
        verbose_name = _("membership event")
        verbose_name_plural = _("membership events")
        indexes = [models.Index(fields=["account", "-at"], name="membership_event_account")]

    def __str__(self) -> str:
        return f"{self.account} {self.kind} {self.whom}"
