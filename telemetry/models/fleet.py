"""Gateways in the field and the devices behind them."""

from collections.abc import Iterable
from typing import Any

from django.core.exceptions import ValidationError
from django.core.validators import MinValueValidator
from django.db import models
from django.db.models.base import ModelBase
from django.db.models.functions import Now
from django.utils.translation import gettext_lazy as _

from telemetry.core.topic import read_mac
from telemetry.models.accounts import Account

DEFAULT_MAX_DEVICES = 8
LOWER_MAC = r"^[0-9a-f]{2}(:[0-9a-f]{2}){5}$"
PRESENCE_FIELDS = frozenset({"is_online", "last_seen"})
"""Written by the workers. `Gateway.save` leaves them alone: a form that was open for a minute
must not set `last_seen` back."""


def normalise_mac(text: str) -> str:
    """The MAC in lower case with `:`. Raises `ValidationError` when `text` is none."""
    mac = read_mac(text.strip())
    if mac is None:
        raise ValidationError(
            _("%(mac)r is no MAC: expected six hex pairs such as aa:bb:cc:dd:ee:ff"),
            params={"mac": text},
            code="mac",
        )
    return mac


def validate_mac(text: str) -> None:
    """Raise `ValidationError` unless `text` is a MAC in any form."""
    normalise_mac(text)


class MacField(models.CharField):  # type: ignore[type-arg]
    """A MAC address, stored and compared in lower case with `:`."""

    default_validators = [validate_mac]

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **{"max_length": 17, **kwargs})

    def to_python(self, value: Any) -> Any:
        return read_mac(value.strip()) or value.strip().lower() if isinstance(value, str) else value

    def get_prep_value(self, value: Any) -> Any:
        return self.to_python(super().get_prep_value(value))

    def pre_save(self, model_instance: models.Model, add: bool) -> Any:  # noqa: FBT001 - Django's
        value = self.to_python(super().pre_save(model_instance, add))
        setattr(model_instance, self.attname, value)
        return value


class Gateway(models.Model):
    """A field gateway, known by the MAC in its topic."""

    account = models.ForeignKey(
        Account, on_delete=models.PROTECT, related_name="gateways", verbose_name=_("account")
    )
    code = models.CharField(_("code"), max_length=50, help_text=_("Unique in the account."))
    mac = MacField(_("MAC"), unique=True, help_text=_("Six hex pairs: aa:bb:cc:dd:ee:ff."))
    name = models.CharField(_("name"), max_length=100, blank=True)
    location = models.CharField(_("location"), max_length=200, blank=True)
    max_devices = models.PositiveSmallIntegerField(
        _("most devices"), default=DEFAULT_MAX_DEVICES, validators=[MinValueValidator(1)]
    )
    is_active = models.BooleanField(_("active"), default=True)
    is_online = models.BooleanField(_("online"), default=False, editable=False)
    last_seen = models.DateTimeField(_("last seen"), null=True, editable=False)
    firmware_version = models.CharField(_("firmware version"), max_length=50, blank=True)
    offline_after_s = models.PositiveIntegerField(
        _("offline after (s)"),
        null=True,
        blank=True,
        validators=[MinValueValidator(5)],
        help_text=_("Seconds of silence until it is offline. Empty: the setting's value."),
    )

    class Meta:
        db_table = "gateway"
        ordering = ["account", "code"]
        verbose_name = _("gateway")
        verbose_name_plural = _("gateways")
        constraints = [
            models.UniqueConstraint(
                fields=["account", "code"],
                name="gateway_account_code",
                violation_error_message=_("This account has a gateway with this code already."),
            ),
            models.CheckConstraint(
                condition=models.Q(mac__regex=LOWER_MAC), name="gateway_mac_lower"
            ),
        ]
        indexes = [
            models.Index(
                fields=["last_seen"], name="gateway_online", condition=models.Q(is_online=True)
            )
        ]

    def __str__(self) -> str:
        return f"{self.code} ({self.mac})"

    def clean(self) -> None:
        """Reject a limit below the number of devices."""
        if self.pk is None or self.max_devices is None:
            return
        count = self.devices.count()
        if count > self.max_devices:
            raise ValidationError(
                {
                    "max_devices": _(
                        "This gateway has %(count)d devices: expected that many or more"
                    )
                    % {"count": count}
                }
            )

    def save(
        self,
        *,
        force_insert: bool | tuple[ModelBase, ...] = False,
        force_update: bool = False,
        using: str | None = None,
        update_fields: Iterable[str] | None = None,
    ) -> None:
        """Save all but the presence, unless `update_fields` names it."""
        if update_fields is None and not self._state.adding:
            update_fields = [
                field.name
                for field in self._meta.concrete_fields
                if not field.primary_key and field.name not in PRESENCE_FIELDS
            ]
        super().save(
            force_insert=force_insert,
            force_update=force_update,
            using=using,
            update_fields=update_fields,
        )


class Device(models.Model):
    """A meter, sensor or actuator behind a gateway. `account` is always the gateway's."""

    class Kind(models.TextChoices):
        METER = "meter", _("meter")
        SENSOR = "sensor", _("sensor")
        ACTUATOR = "actuator", _("actuator")

    class Measurement(models.TextChoices):
        DELTA = "delta", _("delta: consumption since the last reading")
        CUMULATIVE = "cumulative", _("cumulative: a register that only grows")
        GAUGE = "gauge", _("gauge: a level")

    gateway = models.ForeignKey(
        Gateway, on_delete=models.PROTECT, related_name="devices", verbose_name=_("gateway")
    )
    account = models.ForeignKey(
        Account,
        on_delete=models.PROTECT,
        related_name="devices",
        editable=False,
        verbose_name=_("account"),
    )
    code = models.CharField(
        _("code"), max_length=20, help_text=_("As the gateway sends it; unique in the gateway.")
    )
    name = models.CharField(_("name"), max_length=100, blank=True)
    group = models.CharField(
        _("group"),
        max_length=50,
        blank=True,
        default="",
        db_default="",
        help_text=_("Reports add up devices of a group: a building, a line, a tenant."),
    )
    kind = models.CharField(_("kind"), max_length=10, choices=Kind, default=Kind.METER)
    measurement = models.CharField(
        _("measurement"), max_length=10, choices=Measurement, default=Measurement.DELTA
    )
    unit = models.CharField(
        _("unit"),
        max_length=10,
        blank=True,
        help_text=_("Readings that name another unit are rejected. Empty: any unit."),
    )
    is_active = models.BooleanField(_("active"), default=True)
    modbus_slave = models.PositiveSmallIntegerField(_("Modbus slave"), null=True, blank=True)
    modbus_register = models.PositiveIntegerField(_("Modbus register"), null=True, blank=True)
    alarm_low = models.DecimalField(
        _("alarm below"), max_digits=15, decimal_places=4, null=True, blank=True
    )
    alarm_high = models.DecimalField(
        _("alarm above"), max_digits=15, decimal_places=4, null=True, blank=True
    )
    register_modulus = models.DecimalField(
        _("register rolls over at"),
        max_digits=15,
        decimal_places=4,
        null=True,
        blank=True,
        help_text=_("A cumulative register counts from 0 to below this. Empty: never, or unknown."),
    )
    interval_s = models.PositiveIntegerField(
        _("interval (s)"),
        null=True,
        blank=True,
        validators=[MinValueValidator(1)],
        help_text=_("Expected seconds between readings. Empty: one an hour is full coverage."),
    )

    class Meta:
        db_table = "device"
        ordering = ["gateway", "code"]
        verbose_name = _("device")
        verbose_name_plural = _("devices")
        constraints = [
            models.UniqueConstraint(
                fields=["gateway", "code"],
                name="device_gateway_code",
                violation_error_message=_("This gateway has a device with this code already."),
            ),
            models.CheckConstraint(condition=~models.Q(code=""), name="device_code_not_empty"),
            models.CheckConstraint(
                condition=models.Q(register_modulus__gt=0),
                name="device_register_modulus",
                violation_error_message=_("A register rolls over at more than 0."),
            ),
            models.CheckConstraint(condition=models.Q(interval_s__gt=0), name="device_interval_s"),
        ]
        indexes = [
            models.Index(
                fields=["id"],
                name="device_with_limits",
                condition=models.Q(alarm_low__isnull=False) | models.Q(alarm_high__isnull=False),
            )
        ]

    def __str__(self) -> str:
        return f"{self.code} {self.name}".strip()

    def clean(self) -> None:
        """Reject a device too many, and alarm limits in the wrong order."""
        low, high = self.alarm_low, self.alarm_high
        if low is not None and high is not None and low > high:
            raise ValidationError(
                {
                    "alarm_high": _("%(high)s: expected the lower limit %(low)s or more")
                    % {"high": high, "low": low}
                }
            )
        if self.gateway_id is None:
            return
        others = self.gateway.devices.exclude(pk=self.pk).count()
        if others >= self.gateway.max_devices:
            raise ValidationError(
                _("%(gateway)s has %(count)d devices and takes %(most)d: raise its limit first"),
                params={
                    "gateway": str(self.gateway),
                    "count": others,
                    "most": self.gateway.max_devices,
                },
                code="max_devices",
            )

    def save(
        self,
        *,
        force_insert: bool | tuple[ModelBase, ...] = False,
        force_update: bool = False,
        using: str | None = None,
        update_fields: Iterable[str] | None = None,
    ) -> None:
        """Save with the gateway's account; a trigger keeps the rule for every other writer."""
        self.account_id = self.gateway.account_id
        super().save(
            force_insert=force_insert,
            force_update=force_update,
            using=using,
            update_fields=update_fields,
        )


class GatewayEvent(models.Model):
    """A change of a gateway's presence. Written by the workers."""

    class Kind(models.TextChoices):
        ONLINE = "online", _("online")
        OFFLINE = "offline", _("offline")

    gateway = models.ForeignKey(
        Gateway, on_delete=models.CASCADE, related_name="events", verbose_name=_("gateway")
    )
    kind = models.CharField(_("kind"), max_length=10, choices=Kind)
    at = models.DateTimeField(_("at"), db_default=Now())
    last_seen = models.DateTimeField(_("last seen"), null=True)

    class Meta:
        db_table = "gateway_event"
        ordering = ["-at"]
        verbose_name = _("gateway event")
        verbose_name_plural = _("gateway events")
        indexes = [
            models.Index("gateway", models.F("at").desc(), name="gateway_event_gateway_at"),
            models.Index(fields=["-at"], name="gateway_event_at"),
        ]

    def __str__(self) -> str:
        return f"{self.gateway} {self.kind} {self.at:%Y-%m-%d %H:%M:%S}"
