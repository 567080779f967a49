"""Sign-ins that last, and who users are at an identity provider."""

from importlib import import_module
from typing import Any

from axes.models import AccessAttempt
from django.conf import settings
from django.contrib.sessions.base_session import AbstractBaseSession
from django.db import models
from django.db.models.functions import Now
from django.utils.translation import gettext_lazy as _

from telemetry.models.accounts import User


class Session(AbstractBaseSession):
    """A browser's session. Signed in, it says of whom, since when and from where."""

    user = models.ForeignKey(
        User,
        null=True,
        on_delete=models.CASCADE,
        related_name="sessions",
        verbose_name=_("user"),
    )
    started_at = models.DateTimeField(_("signed in at"), null=True)
    used_at = models.DateTimeField(_("last used at"), db_default=Now())
    address = models.CharField(_("address"), max_length=45, blank=True)
    agent = models.CharField(_("browser"), max_length=300, blank=True)

    class Meta(AbstractBaseSession.Meta):
        db_table = "user_session"

    @classmethod
    def get_session_store_class(cls) -> Any:
        """What reads and writes it."""
        return import_module(settings.SESSION_ENGINE).SessionStore


class Identity(models.Model):
    """Who a user is at an identity provider: an issuer's subject, which never changes. Addresses
    may be given to somebody else."""

    user = models.ForeignKey(
        User, on_delete=models.CASCADE, related_name="identities", verbose_name=_("user")
    )
    issuer = models.CharField(_("issuer"), max_length=300)
    subject = models.CharField(_("subject"), max_length=255)
    created_at = models.DateTimeField(_("created at"), db_default=Now(), editable=False)

    class Meta:
        db_table = "identity"
        ordering = ["user", "issuer"]
        verbose_name = _("identity")
        verbose_name_plural = _("identities")
        constraints = [
            models.UniqueConstraint(fields=["issuer", "subject"], name="identity_subject"),
            models.UniqueConstraint(fields=["user", "issuer"], name="identity_user"),
        ]

    def __str__(self) -> str:
        return f"{self.user}: {self.subject}"


class SignInFailure(AccessAttempt):  # type: ignore[misc]
    """Failed sign-ins of a name from an address, which django-axes counts; too many are a lock."""

    class Meta:
        proxy = True
        default_permissions = ("view", "delete")
        verbose_name = _("failed sign-in")
        verbose_name_plural = _("failed sign-ins")

    def __str__(self) -> str:
        return f"{self.username or '-'} {self.ip_address or '-'}"
