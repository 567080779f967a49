"""What happened to a device, newest first: its gateway's presence, changes of meter, alarms."""

from collections.abc import Iterable
from datetime import datetime
from enum import StrEnum
from typing import Any

from msgspec import Struct

from telemetry.models import Alarm, Device, GatewayEvent, Installation
from telemetry.store.reads.device_events import find_first_day
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
    """At most 30. Presence and changes of meter from the device's first day in the account on: what
    was before may be another account's. Four queries."""
    first_day = find_first_day(account_id, device_id=device.pk)
    events = _list_alarms(account_id, device)
    if first_day is not None:
        events += _list_since(device, since=calendar.start_of(first_day))
    return sort_events(events)


def sort_events(events: Iterable[Event]) -> list[Event]:
    """The newest 30, newest first."""
    return sorted(events, key=lambda event: event.at, reverse=True)[:MOST_EVENTS]


def _list_alarms(account_id: int, device: Device) -> list[Event]:
    alarms = Alarm.objects.filter(account_id=account_id, device=device).order_by("-opened_at")
    return [Event(alarm.opened_at, EventKind.ALARM, alarm) for alarm in alarms[:MOST_EVENTS]]


def _list_since(device: Device, *, since: datetime) -> list[Event]:
    presence = GatewayEvent.objects.filter(gateway_id=device.gateway_id, at__gte=since)
    kinds = {
        GatewayEvent.Kind.ONLINE: EventKind.ONLINE, GatewayEvent.Kind.OFFLINE: EventKind.OFFLINE,
    }  # fmt: skip
    events = [
        Event(event.at, kinds[GatewayEvent.Kind(event.kind)], event)
        for event in presence.order_by("-at")[:MOST_EVENTS]
    ]
    changed = Installation.objects.filter(device=device, since__gte=since, undone_at=None)
    changed = changed.order_by("-since")[:MOST_EVENTS]
    return events + [Event(one.since, EventKind.METER, one) for one in changed if one.since]
