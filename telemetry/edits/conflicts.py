"""Take the value of a conflict's dead letter instead of the one that is stored."""

from datetime import datetime
from decimal import Decimal

from django.utils.translation import gettext as _
from msgspec import Struct

from telemetry.core.payload import decode_payload
from telemetry.core.reasons import Reason, RejectedError
from telemetry.core.values import read_timestamp, read_value
from telemetry.edits.editing import Change, request_edit
from telemetry.installations.stamps import find_instant
from telemetry.models import DeadLetter, Device, Edit, User
from telemetry.store.edits.apply import EditError


class Conflict(Struct, frozen=True):
    """A reading that was rejected because the device has another value at that instant."""

    device: Device
    at: datetime
    value: Decimal


def find_conflict(dead_letter: DeadLetter) -> Conflict:
    """The reading in the dead letter. Raises `EditError` when it is no conflict, or when its device
    is not registered in its account any more."""
    if dead_letter.reason != Reason.CONFLICTING_READING:
        raise EditError(
            _("Only of a conflict can the value be taken: see the dead letter's reason")
        )
    try:
        payload = decode_payload(bytes(dead_letter.payload))
        [item] = payload.items
        if isinstance(item, RejectedError):
            raise item
        at, value = read_timestamp(payload.timestamp), read_value(item.value)
    except (RejectedError, ValueError) as error:
        raise EditError(
            _("The dead letter holds no reading: %(error)s") % {"error": error}
        ) from error
    devices = Device.objects.select_related("gateway", "account")
    device = devices.filter(gateway__mac=dead_letter.mac, code=item.code).first()
    if device is None or device.account_id != dead_letter.account_id:
        raise EditError(
            _("The gateway %(mac)s has no device %(code)s in this account")
            % {"mac": dead_letter.mac, "code": item.code}
        )
    return Conflict(device, find_instant(device.pk, at), value)


def take_value(dead_letter: DeadLetter, *, user: User, reason: str) -> Edit:
    """Substitute the stored reading by the rejected one. Raises `EditError`."""
    if dead_letter.state == DeadLetter.State.TAKEN:
        raise EditError(_("The value of this dead letter was taken already"))
    conflict = find_conflict(dead_letter)
    return request_edit(
        conflict.device.account,
        device=conflict.device,
        since=conflict.at,
        until=conflict.at,
        change=Change(value=conflict.value),
        reason=reason,
        user=user,
        dead_letter=dead_letter,
    )
