"""Views of the overview that members save, and links to screens on a wall."""

from django.db import models
from django.db.models import Q
from django.db.models.functions import Now
from django.utils.translation import gettext_lazy as _

from telemetry.models.accounts import Account, User

LONGEST_QUERY = 2_000


class SavedView(models.Model):
    """A period, devices and a quantity of the overview under a name. `query`: as the address has
    them. Whoever saved it sees it; `is_shared`: so do all members of the account."""

    account = models.ForeignKey(
        Account, on_delete=models.CASCADE, related_name="saved_views", verbose_name=_("account")
    )
    name = models.CharField(_("name"), max_length=60)
    query = models.CharField(_("what it shows"), max_length=LONGEST_QUERY, blank=True)
    is_shared = models.BooleanField(_("all members see it"), default=False, db_default=False)
    created_by = models.ForeignKey(
        User, on_delete=models.CASCADE, related_name="+", editable=False,
        verbose_name=_("created by"),
    )  # fmt: skip
    created_at = models.DateTimeField(_("created at"), db_default=Now())

    class Meta:
        db_table = "saved_view"
        ordering = ["name", "id"]
        verbose_name = _("saved view")
        verbose_name_plural = _("saved views")

    def __str__(self) -> str:
        return self.name


class KioskLink(models.Model):
    """A secret address that shows the account's overview on a screen, without a sign-in, until it
    is revoked. The secret is stored as a digest alone."""

    account = models.ForeignKey(
        Account, on_delete=models.CASCADE, related_name="kiosk_links", verbose_name=_("account")
    )
    name = models.CharField(_("name"), max_length=60)
    digest = models.CharField(_("digest"), max_length=64, unique=True, editable=False)
    created_by = models.ForeignKey(
        User, on_delete=models.SET_NULL, null=True, related_name="+", editable=False,
        verbose_name=_("created by"),
    )  # fmt: skip
    created_at = models.DateTimeField(_("created at"), db_default=Now())
    used_at = models.DateTimeField(_("last used"), null=True, editable=False)
    revoked_at = models.DateTimeField(_("revoked at"), null=True, editable=False)

    class Meta:
        db_table = "kiosk_link"
        ordering = ["name", "id"]
        verbose_name = _("link of a screen")
        verbose_name_plural = _("links of screens")
        indexes = [
            models.Index(fields=["account"], name="kiosk_link_valid", condition=Q(revoked_at=None))
        ]

    def __str__(self) -> str:
        return self.name
