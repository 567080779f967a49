"""States of gateways and devices: their labels, and their conditions in queries."""

from django.db import models
from django.db.models import Exists, OuterRef, Q
from django.utils.translation import gettext_lazy as _

from telemetry.models import Alarm, Device, Gateway


class GatewayState(models.TextChoices):
    """What a gateway is. Each is exactly one."""

    ONLINE = "online", _("online")
    OFFLINE = "offline", _("offline")
    NEW = "new", _("never seen")
    INACTIVE = "inactive", _("inactive")


GATEWAY_CONDITIONS = {
    GatewayState.ONLINE: Q(is_active=True, is_online=True),
    GatewayState.OFFLINE: Q(is_active=True, is_online=False, last_seen__isnull=False),
    GatewayState.NEW: Q(is_active=True, is_online=False, last_seen=None),
    GatewayState.INACTIVE: Q(is_active=False),
}


def find_gateway_state(gateway: Gateway) -> GatewayState:
    """The gateway's state."""
    if not gateway.is_active:
        return GatewayState.INACTIVE
    if gateway.is_online:
        return GatewayState.ONLINE
    return GatewayState.NEW if gateway.last_seen is None else GatewayState.OFFLINE


class DeviceState(models.TextChoices):
    """What devices can be filtered by."""

    ACTIVE = "active", _("active")
    ALARM = "alarm", _("in alarm")
    OFFLINE = "offline", _("gateway not online")
    INACTIVE = "inactive", _("inactive")

    @property
    def colour(self) -> str:
        """The class of its badge."""
        return DEVICE_COLOURS[self]


DEVICE_COLOURS = {
    DeviceState.ACTIVE: "good",
    DeviceState.ALARM: "bad",
    DeviceState.OFFLINE: "warn",
    DeviceState.INACTIVE: "muted",
}


def has_open_alarm() -> Exists:
    """Whether an alarm of the device is open in the account that the device is in."""
    return Exists(
        Alarm.objects.filter(
            device_id=OuterRef("pk"), account_id=OuterRef("account_id"), closed_at=None
        )
    )


_WORKING = Q(is_active=True, gateway__is_active=True)
DEVICE_CONDITIONS = {
    DeviceState.ACTIVE: _WORKING,
    DeviceState.ALARM: Q(has_alarm=True),
    DeviceState.OFFLINE: _WORKING & Q(gateway__is_online=False),
    DeviceState.INACTIVE: ~_WORKING,
}


def find_device_state(device: Device) -> DeviceState:
    """The state that matters most, of a device with `has_alarm`."""
    if not (device.is_active and device.gateway.is_active):
        return DeviceState.INACTIVE
    if getattr(device, "has_alarm"):  # noqa: B009 - an annotation, which no type knows
        return DeviceState.ALARM
    return DeviceState.ACTIVE if device.gateway.is_online else DeviceState.OFFLINE
