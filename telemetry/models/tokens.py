"""Personal tokens: what a script shows instead of a password."""

from datetime import datetime

from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models.functions import Now
from django.utils.translation import gettext_lazy as _

from telemetry.models.accounts import Account, User


class ApiToken(models.Model):
    """A user's key to the API. It never allows more than the user's role in an account does.

    Only the SHA-256 of its text is kept. A slow hash protects passwords because people choose
    guessable ones; this is 256 random bits, which no search finds, and a fast hash makes each
    request cheap and the row an index look-up.
    """

    class Scope(models.TextChoices):
        READ = "read", _("Read accounts, gateways, devices, readings, consumption and alarms")
        EXPORT = "export", _("Export readings in bulk")
        DEAD_LETTERS = "dead_letters", _("Read dead letters, with the messages as they came")
        ALARMS_WRITE = "alarms:write", _("Acknowledge alarms")
        BILLING_WRITE = (
            "billing:write",
            _("Edit readings, decide findings, change meters, bands and holidays"),
        )

    user = models.ForeignKey(
        User, on_delete=models.CASCADE, related_name="api_tokens", verbose_name=_("user")
    )
    name = models.CharField(_("name"), max_length=100)
    prefix = models.CharField(_("begins with"), max_length=12)
    digest = models.BinaryField(_("SHA-256"), max_length=32, unique=True)
    scopes = ArrayField(models.CharField(max_length=20, choices=Scope), verbose_name=_("scopes"))
    account = models.ForeignKey(
        Account,
        null=True,
        on_delete=models.CASCADE,
        related_name="+",
        verbose_name=_("account"),
    )
    created_at = models.DateTimeField(_("created at"), db_default=Now())
    expires_at = models.DateTimeField(_("expires at"), null=True)
    last_used_at = models.DateTimeField(_("last used at"), null=True)
    revoked_at = models.DateTimeField(_("revoked at"), null=True)

    class Meta:
        db_table = "api_token"
        ordering = ["-created_at", "-id"]
        verbose_name = _("API token")
        verbose_name_plural = _("API tokens")

    def __str__(self) -> str:
        return f"{self.prefix}... {self.name}"

    def is_expired(self, *, now: datetime) -> bool:
        """Whether its time is over."""
        return self.expires_at is not None and self.expires_at <= now
