"""Certificates that the internal CA has issued: whose, until when, and whether they still hold."""

from datetime import datetime

from django.db import models
from django.db.models.functions import Now
from django.utils.translation import gettext_lazy as _

from telemetry.models.accounts import User
from telemetry.models.fleet import Gateway


class Certificate(models.Model):
    """A certificate of a gateway. Its private key is nowhere here."""

    class Reason(models.TextChoices):
        KEY_COMPROMISE = "key_compromise", _("key compromised")
        SUPERSEDED = "superseded", _("replaced by another")
        CESSATION = "cessation", _("gateway out of service")
        UNSPECIFIED = "unspecified", _("unspecified")

    serial = models.CharField(_("serial"), max_length=40, unique=True)
    gateway = models.ForeignKey(
        Gateway, on_delete=models.PROTECT, related_name="certificates", verbose_name=_("gateway")
    )
    common_name = models.CharField(_("CN"), max_length=64)
    pem = models.TextField(_("certificate"))
    issued_at = models.DateTimeField(_("issued at"), db_default=Now())
    issued_by = models.ForeignKey(
        User, on_delete=models.SET_NULL, null=True, related_name="+", verbose_name=_("issued by")
    )
    not_before = models.DateTimeField(_("valid from"))
    not_after = models.DateTimeField(_("valid until"))
    revoked_at = models.DateTimeField(_("revoked at"), null=True)
    revoked_by = models.ForeignKey(
        User, on_delete=models.SET_NULL, null=True, related_name="+", verbose_name=_("revoked by")
    )
    reason = models.CharField(_("reason"), max_length=20, choices=Reason, blank=True)

    class Meta:
        db_table = "certificate"
        ordering = ["-issued_at", "-id"]
        verbose_name = _("certificate")
        verbose_name_plural = _("certificates")
        indexes = [
            models.Index(fields=["not_after"], name="certificate_not_after"),
            models.Index(
                fields=["not_after"],
                name="certificate_revoked",
                condition=models.Q(revoked_at__isnull=False),
            ),
        ]

    def __str__(self) -> str:
        return f"{self.common_name} {self.serial}"

    def get_state(self, *, now: datetime) -> str:
        """`revoked`, `expired` or `valid`."""
        if self.revoked_at is not None:
            return "revoked"
        return "expired" if self.not_after <= now else "valid"
