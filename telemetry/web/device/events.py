"""What happened to a device, newest first: its gateway's presence, changes of meter, alarms."""

from collections.abc import Iterable, Sequence
from datetime import datetime
from enum import StrEnum
from typing import Any

from msgspec import Struct

from telemetry.models import Alarm, Device, GatewayEvent, Installation
from telemetry.store.reads.own_times import OwnTime, is_in

MOST_EVENTS = 30


class EventKind(StrEnum):
    """The kind of an event."""

    OFFLINE = "offline"
    ONLINE = "online"
    METER = "meter"
    ALARM = "alarm"
    NOTE = "note"


class Event(Struct, frozen=True):
    """An event; `about` is the row that records it."""

    at: datetime
    kind: EventKind
    about: Any


def list_events(account_id: int, *, device: Device, times: Sequence[OwnTime]) -> list[Event]:
    """At most 30. Presence and changes of meter of the times when the device was the account's:
    what else was may be another account's. Three queries."""
    events = _list_alarms(account_id, device)
    if times:
        whole = OwnTime(times[0].since, times[-1].until)
        events += [event for event in _list_in(device, whole) if is_in(times, event.at)]
    return sort_events(events)


def sort_events(events: Iterable[Event]) -> list[Event]:
    """The newest 30, newest first."""
    return sorted(events, key=lambda event: event.at, reverse=True)[:MOST_EVENTS]


def _list_alarms(account_id: int, device: Device) -> list[Event]:
    alarms = Alarm.objects.filter(account_id=account_id, device=device).order_by("-opened_at")
    return [Event(alarm.opened_at, EventKind.ALARM, alarm) for alarm in alarms[:MOST_EVENTS]]


def _list_in(device: Device, time: OwnTime) -> list[Event]:
    presence = GatewayEvent.objects.filter(gateway_id=device.gateway_id)
    changed = Installation.objects.filter(device=device, undone_at=None)
    if time.since is not None:
        presence = presence.filter(at__gte=time.since)
        changed = changed.filter(since__gte=time.since)
    if time.until is not None:
        presence = presence.filter(at__lte=time.until)
        changed = changed.filter(since__lte=time.until)
    kinds = {
        GatewayEvent.Kind.ONLINE: EventKind.ONLINE, GatewayEvent.Kind.OFFLINE: EventKind.OFFLINE,
    }  # fmt: skip
    events = [
        Event(event.at, kinds[GatewayEvent.Kind(event.kind)], event)
        for event in presence.order_by("-at")[:MOST_EVENTS]
    ]
    changed = changed.exclude(since=None).order_by("-since")[:MOST_EVENTS]
    return events + [Event(one.since, EventKind.METER, one) for one in changed if one.since]
