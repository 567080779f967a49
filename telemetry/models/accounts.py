"""Accounts, which own gateways; users, and their memberships."""

from datetime import date
from functools import cache
from zoneinfo import ZoneInfo, available_timezones

from django.apps import apps
from django.contrib.auth.models import AbstractUser
from django.core.exceptions import ValidationError
from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import DatabaseError, models, transaction
from django.db.models import Max
from django.db.models.functions import Now
from django.utils.translation import gettext_lazy as _

from telemetry.core.consumption import BillingDays
from telemetry.core.zones import Zone, Zones, read_zone

LAST_BILLING_DAY = 31


@cache
def _time_zones() -> frozenset[str]:
    return frozenset(available_timezones())


def validate_time_zone(name: str) -> None:
    """Raise `ValidationError` unless `name` is an IANA time zone."""
    if name not in _time_zones():
        raise ValidationError(
            _("%(name)r is no time zone: expected an IANA name such as America/Sao_Paulo"),
            params={"name": name},
            code="time_zone",
        )


class User(AbstractUser):
    """A person who logs in. `language`: of the pages; empty: the browser's."""

    language = models.CharField(_("language"), max_length=10, blank=True, default="", db_default="")

    class Meta(AbstractUser.Meta):
        db_table = "telemetry_user"


class Account(models.Model):
    """A tenant. Messages of a deactivated account's gateways become dead letters."""

    name = models.CharField(_("name"), max_length=100, unique=True)
    time_zone = models.CharField(
        _("time zone"),
        max_length=64,
        default="UTC",
        validators=[validate_time_zone],
        help_text=_(
            "IANA name, for example America/Sao_Paulo. Days and months begin in it. A change takes "
            "effect with the first month after those that are closed."
        ),
    )
    zones = models.TextField(default="", db_default="", editable=False)  # calendars.sql writes it
    billing_day = models.PositiveSmallIntegerField(
        _("billing day"),
        default=1,
        db_default=1,
        validators=[MinValueValidator(1), MaxValueValidator(LAST_BILLING_DAY)],
        help_text=_(
            "Day on which a billing month begins, 1 to 31 (closing day 14: 15); in a month without "
            "that day, its last day. A change takes effect with the first month after those that "
            "are closed."
        ),
    )
    earlier_billing_days = models.JSONField(
        _("earlier billing days"), default=list, db_default=[], editable=False
    )
    spreads_gaps = models.BooleanField(
        _("spreads gaps"),
        default=True,
        db_default=True,
        help_text=_(
            "What a device consumed in a time without readings is spread evenly over the hours, "
            "and shown as estimated. Otherwise it counts at the reading that ends it."
        ),
    )
    edits_need_approval = models.BooleanField(
        _("edits need approval"),
        default=False,
        db_default=False,
        help_text=_("An edit of readings, and its undoing, waits until another admin approves it."),
    )
    is_active = models.BooleanField(_("active"), default=True)
    created_at = models.DateTimeField(_("created at"), db_default=Now(), editable=False)

    class Meta:
        db_table = "account"
        ordering = ["name"]
        verbose_name = _("account")
        verbose_name_plural = _("accounts")
        permissions = [("see_every_account", "Can see every account in the admin")]
        constraints = [
            models.CheckConstraint(
                condition=models.Q(billing_day__range=(1, LAST_BILLING_DAY)),
                name="account_billing_day",
            )
        ]

    def __str__(self) -> str:
        return self.name

    def clean(self) -> None:
        """Reject another calendar when months cannot be computed again, as the database does."""
        stored = Account.objects.filter(pk=self.pk).first()
        if stored is None:
            return
        names = ("time_zone", "billing_day")
        changed = [name for name in names if getattr(self, name) != getattr(stored, name)]
        if not changed:
            return
        if stored.has_months_without_days():
            reason = _("This account has months whose days were dropped: they stay as they are")
            raise ValidationError(dict.fromkeys(changed, reason))
        try:  # the database decides: the change is tried and rolled back
            with transaction.atomic():
                Account.objects.filter(pk=self.pk).update(
                    **{name: getattr(self, name) for name in changed}
                )
                transaction.set_rollback(True)
        except DatabaseError as error:
            text = str(error).splitlines()[0]
            raise ValidationError(dict.fromkeys(changed, text)) from error

    @property
    def billing(self) -> BillingDays:
        """When its billing months begin."""
        earlier = ((date.fromisoformat(until), day) for until, day in self.earlier_billing_days)
        return BillingDays(self.billing_day, tuple(earlier))

    @property
    def zone(self) -> Zone:
        """In which its days begin and end; of closed months as it was when they were closed."""
        return read_zone(self.zones or self.time_zone)

    def zone_on(self, day: date) -> ZoneInfo:
        """The zone that applies on a day."""
        zone = self.zone
        return zone.on(day) if isinstance(zone, Zones) else zone

    def has_months_without_days(self) -> bool:
        """Whether there is a month, after those that are closed, that began before the last drop of
        days."""
        dropped = apps.get_model("telemetry", "DroppedRange").objects
        cutoff = dropped.filter(relation="daily_aggregate").aggregate(at=Max("range_end"))["at"]
        closed = self.closed_months.aggregate(last=Max("month"))["last"]
        months = apps.get_model("telemetry", "MonthlyConsumption").objects.filter(account=self)
        if closed is not None:
            months = months.filter(month__gt=closed)
        return cutoff is not None and months.filter(month__lt=cutoff.date()).exists()


class Membership(models.Model):
    """What a user may do in an account."""

    class Role(models.TextChoices):
        OWNER = "owner", _("owner")
        ADMIN = "admin", _("admin")
        VIEWER = "viewer", _("viewer")

    user = models.ForeignKey(
        User, on_delete=models.CASCADE, related_name="memberships", verbose_name=_("user")
    )
    account = models.ForeignKey(
        Account, on_delete=models.CASCADE, related_name="memberships", verbose_name=_("account")
    )
    role = models.CharField(_("role"), max_length=10, choices=Role, default=Role.VIEWER)

    class Meta:
        db_table = "membership"
        ordering = ["account", "user"]
        verbose_name = _("membership")
        verbose_name_plural = _("memberships")
        constraints = [
            models.UniqueConstraint(
                fields=["user", "account"],
                name="membership_user_account",
                violation_error_message=_("This user is a member of this account already."),
            )
        ]

    def __str__(self) -> str:
        return f"{self.user} - {self.account} ({self.role})"
