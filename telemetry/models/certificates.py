"""Certificates that the internal CA has issued, and how gateways come by them: lots, enrolments."""

from datetime import datetime

from django.db import models
from django.db.models.functions import Now
from django.utils.translation import gettext_lazy as _

from telemetry.models.accounts import User
from telemetry.models.fleet import Gateway, MacField


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
            models.Index(fields=["-issued_at", "-id"], name="certificate_issued"),
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


class Lot(models.Model):
    """A production lot: gateways that leave the factory with one bootstrap certificate."""

    name = models.CharField(_("name"), max_length=50, unique=True)
    serial = models.CharField(_("serial"), max_length=40, unique=True)
    max_gateways = models.PositiveIntegerField(_("most gateways"))
    created_at = models.DateTimeField(_("created at"), db_default=Now())
    not_after = models.DateTimeField(_("valid until"))
    closed_at = models.DateTimeField(_("closed at"), null=True)

    class Meta:
        db_table = "lot"
        ordering = ["-created_at", "-id"]
        verbose_name = _("production lot")
        verbose_name_plural = _("production lots")

    def __str__(self) -> str:
        return self.name


class Enrolment(models.Model):
    """A signing request on its way to a certificate: from a lot, for a renewal, or by an
    administrator. One row for each key of a gateway."""

    class State(models.TextChoices):
        PENDING = "pending", _("waits for an administrator")
        APPROVED = "approved", _("approved, not yet signed")
        ISSUED = "issued", _("issued")
        REJECTED = "rejected", _("rejected")

    mac = MacField(_("MAC"))
    state = models.CharField(_("state"), max_length=10, choices=State, default=State.PENDING)
    lot = models.ForeignKey(
        Lot, null=True, on_delete=models.PROTECT, related_name="enrolments", verbose_name=_("lot")
    )
    serial_number = models.CharField(_("serial number"), max_length=64, blank=True)
    model = models.CharField(_("model"), max_length=50, blank=True)
    firmware_version = models.CharField(_("firmware version"), max_length=50, blank=True)
    csr = models.TextField(_("signing request"))
    key_digest = models.CharField(_("SHA-256 of the key"), max_length=64)
    address = models.GenericIPAddressField(_("address"), null=True)
    requested_at = models.DateTimeField(_("requested at"), db_default=Now())
    seen_at = models.DateTimeField(_("last asked"), db_default=Now())
    gateway = models.ForeignKey(
        Gateway,
        null=True,
        on_delete=models.PROTECT,
        related_name="enrolments",
        verbose_name=_("gateway"),
    )
    certificate = models.OneToOneField(
        Certificate,
        null=True,
        on_delete=models.PROTECT,
        related_name="enrolment",
        verbose_name=_("certificate"),
    )
    decided_at = models.DateTimeField(_("decided at"), null=True)
    decided_by = models.ForeignKey(
        User, on_delete=models.SET_NULL, null=True, related_name="+", verbose_name=_("decided by")
    )
    note = models.CharField(_("note"), max_length=200, blank=True)

    class Meta:
        db_table = "enrolment"
        ordering = ["-requested_at", "-id"]
        verbose_name = _("enrolment")
        verbose_name_plural = _("enrolments")
        constraints = [
            models.UniqueConstraint(fields=["mac", "key_digest"], name="enrolment_mac_key")
        ]
        indexes = [
            models.Index(fields=["-requested_at", "-id"], name="enrolment_requested"),
            models.Index(
                fields=["id"], name="enrolment_approved", condition=models.Q(state="approved")
            ),
        ]

    def __str__(self) -> str:
        return f"{self.mac} ({self.get_state_display()})"
