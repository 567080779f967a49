"""Which meters of a device are its account's own: a device may have been another account's before,
whose months stay as they are. For pages and API; administrators see and change all."""

from datetime import datetime

from django.db.models import Q, QuerySet
from django.utils.translation import gettext as _

from telemetry.core.consumption import start_of
from telemetry.installations.changing import list_until
from telemetry.installations.texts import InstallationError, describe_device, describe_instant
from telemetry.models import Device, Installation
from telemetry.store.installations.former import find_former_end
from telemetry.store.reads.device_events import find_first_day


def check_is_own(device: Device, *, since: datetime | None) -> None:
    """Raise `InstallationError` when a meter that begins at this instant measures readings of
    another account."""
    end = find_former_end(device.account_id, device_id=device.pk)
    if end is not None and (since is None or since <= end):
        raise InstallationError(
            _("%(device)s: up to %(end)s its readings are another account's: take a later instant")
            % {"device": describe_device(device), "end": describe_instant(end, device)},
            field="since",
        )


def list_own(device: Device) -> tuple["QuerySet[Installation]", datetime | None]:
    """The meters since the account has readings of the device, and the one that was there then; and
    when that was, if it is known. What was entered before may be another account's."""
    rows = Installation.objects.filter(device=device)
    first_day = find_first_day(device.account_id, device_id=device.pk)
    if first_day is None:
        return rows, None
    begin = start_of(first_day, device.account.zone)
    first = list_until(device, before=begin).values("pk")[:1]
    return rows.filter(Q(since__gte=begin) | Q(pk__in=first)), begin


def hide_former(row: Installation, *, begin: datetime | None) -> Installation:
    """The row, not saved, without who entered it and why, if that was before the account's time."""
    if begin is not None and (row.since is None or row.since < begin):
        row.note, row.created_by, row.undone_by = "", None, None
    return row
