"""What people read of a change of the meter: the device, the instant with its zone."""

from datetime import datetime
from zoneinfo import ZoneInfo

from django.utils.translation import gettext as _

from telemetry.models import Device, Gateway, Installation


class InstallationError(ValueError):
    """A change of the meter is refused. The text is one line for people, in their language; `field`
    is what it is about, if it is one."""

    def __init__(self, text: str, *, field: str | None = None) -> None:
        super().__init__(text)
        self.field = field


def describe_device(device: Device) -> str:
    """Account, gateway and code."""
    # The gateway of a device that moved away is another account's.
    gateways = Gateway.objects.filter(pk=device.gateway_id).values_list("code", flat=True)
    return " / ".join([device.account.name, *gateways, device.code])


def describe_instant(at: datetime, device: Device) -> str:
    """An instant by the clock of the account, with the name of its zone."""
    zone = device.account.time_zone
    return f"{at.astimezone(ZoneInfo(zone)):%Y-%m-%d %H:%M:%S} ({zone})"


def describe_change(installation: Installation) -> str:
    """The device and the instant."""
    what = describe_device(installation.device)
    if installation.since is None:
        return _("%(device)s, its first meter") % {"device": what}
    return f"{what}, {describe_instant(installation.since, installation.device)}"
