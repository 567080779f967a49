"""What happened to a device, newest first: its gateway's presence, changes of meter, alarms."""

from collections.abc import Iterable
from datetime import datetime
from enum import StrEnum
from typing import Any

from msgspec import Struct

from telemetry.installations.own import find_own_times
from telemetry.models import Alarm, Device, GatewayEvent, Installation
from telemetry.store.reads.own_times import is_in
from telemetry.web.charts.calendar import Calendar

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


def list_events(account_id: int, *, device: Device, calendar: Calendar) -> list[Event]:
    """At most 30. Presence and changes of meter of the times when the device was the account's:
    what else was may be another account's. Four queries."""
    events = _list_alarms(account_id, device)
    times = find_own_times(device, zone=calendar.zone)
    if times:
        events += [
            event for event in _list_since(device, since=times[0].since)
            if is_in(times, event.at)
        ]  # fmt: skip
    return sort_events(events)


def sort_events(events: Iterable[Event]) -> list[Event]:
    """The newest 30, newest first."""
    return sorted(events, key=lambda event: event.at, reverse=True)[:MOST_EVENTS]


def _list_alarms(account_id: int, device: Device) -> list[Event]:
    alarms = Alarm.objects.filter(account_id=account_id, device=device).order_by("-opened_at")
    return [Event(alarm.opened_at, EventKind.ALARM, alarm) for alarm in alarms[:MOST_EVENTS]]


def _list_since(device: Device, *, since: datetime | None) -> list[Event]:
    presence = GatewayEvent.objects.filter(gateway_id=device.gateway_id)
    changed = Installation.objects.filter(device=device, undone_at=None)
    if since is not None:
        presence, changed = presence.filter(at__gte=since), changed.filter(since__gte=since)
    kinds = {
        GatewayEvent.Kind.ONLINE: EventKind.ONLINE, GatewayEvent.Kind.OFFLINE: EventKind.OFFLINE,
    }  # fmt: skip
    events = [
        Event(event.at, kinds[GatewayEvent.Kind(event.kind)], event)
        for event in presence.order_by("-at")[:MOST_EVENTS]
    ]
    changed = changed.exclude(since=None).order_by("-since")[:MOST_EVENTS]
    return events + [Event(one.since, EventKind.METER, one) for one in changed if one.since]
