"""Which meters of a device are its account's own: a device may have been another account's before,
whose months stay as they are. For pages and API; administrators see and change all."""

from datetime import date, datetime

from django.db.models import Q, QuerySet
from django.utils.translation import gettext as _

from telemetry.core.consumption import start_of
from telemetry.core.zones import Zone
from telemetry.installations.changing import list_until
from telemetry.installations.texts import InstallationError, describe_device, describe_instant
from telemetry.models import Device, Installation
from telemetry.store.installations.former import find_former_end
from telemetry.store.reads.own_times import OwnTime, is_in, read_device_times


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


def list_own(device: Device) -> tuple["QuerySet[Installation]", list[OwnTime]]:
    """The meters of the times when the device was the account's, and those that were there when
    these began; and these times. What was entered in others may be another account's."""
    rows = Installation.objects.filter(device=device)
    times = find_own_times(device, zone=device.account.zone)
    if not times:
        return rows, times
    own = Q()
    for time in times:
        began = Q() if time.since is None else Q(since__gte=time.since)
        if time.until is not None:
            began &= Q(since__lt=time.until) | Q(since=None)
        if time.since is not None:
            own |= Q(pk__in=list_until(device, before=time.since).values("pk")[:1])
        own |= began
    return rows.filter(own), times


def find_own_times(device: Device, *, zone: Zone) -> list[OwnTime]:
    """When a device was its account's, as the moves of its gateway say, and of older moves no more
    than its first day here; nothing where neither is known."""
    first_day, moves = read_device_times(
        device.account_id, device_id=device.pk, gateway_id=device.gateway_id
    )
    return cut_times(first_day, moves, zone=zone)


def cut_times(first_day: date | None, moves: list[OwnTime], *, zone: Zone) -> list[OwnTime]:
    """The same of what `read_device_times` found."""
    if first_day is None:
        return moves
    begin = start_of(first_day, zone)
    times = [time.cut(begin, None) for time in moves or [OwnTime(None, None)]]
    return [time for time in times if time is not None]


def hide_former(row: Installation, times: list[OwnTime]) -> Installation:
    """The row, not saved, without who entered it and why, and what registers showed, if that was
    not in the account's time."""
    if times and (row.since is None or not is_in(times, row.since)):
        row.note, row.created_by, row.undone_by = "", None, None
        row.old_register = row.first_register = None
    return row
