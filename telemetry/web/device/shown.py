"""The device of a page: one that the account has, or one that moved away, in its own time."""

from collections.abc import Sequence
from datetime import datetime

from django.http import Http404
from msgspec import Struct

from telemetry.assignments.former import Former, find_former
from telemetry.core.zones import Zone
from telemetry.installations.own import cut_times
from telemetry.models import Device
from telemetry.store.reads.own_times import OwnTime, read_device_times
from telemetry.web.account_page import AccountRequest


class ShownDevice(Struct, frozen=True):
    """A device. `former`: what is known of one that moved to another account."""

    device: Device
    former: Former | None = None


class Stays(Struct, frozen=True):
    """When the gateway of a device was the account's: since when (`came`) the last time, until when
    (`left`), and before. None: not known, or not ended. `times`: when its values are the account's;
    nothing where it has none."""

    came: datetime | None
    left: datetime | None
    before: Sequence[OwnTime]
    times: Sequence[OwnTime]


def find_shown(request: AccountRequest, device_id: int) -> ShownDevice:
    """The device. Raises `Http404` where the account neither has nor had it."""
    own = Device.objects.filter(account=request.account, pk=device_id)
    row = own.select_related("gateway", "account").first()
    if row is not None:
        return ShownDevice(row)
    former = find_former(request.account, device_id)
    if former is None:
        raise Http404
    return ShownDevice(former.device, former)


def read_stays(shown: ShownDevice, *, zone: Zone) -> Stays:
    """When it was the account's. At most one query."""
    device = shown.device
    if shown.former is not None:
        assigned, times = shown.former.assigned, shown.former.times
    else:
        first_day, assigned = read_device_times(
            device.account_id, device_id=device.pk, gateway_id=device.gateway_id
        )
        times = cut_times(first_day, assigned, zone=zone)
    if not assigned:
        return Stays(None, None, (), times)
    return Stays(assigned[-1].since, assigned[-1].until, assigned[:-1], times)
