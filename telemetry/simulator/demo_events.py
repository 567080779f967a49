"""What happened in the demo fleet before it was registered. Pure: the instant decides everything.

The gateways are named by their MACs in `telemetry/fleet/demo.json`.
"""

from datetime import datetime, timedelta
from decimal import Decimal
from zoneinfo import ZoneInfo

from msgspec import Struct

PAST = timedelta(days=396)
"""Thirteen months; `MAX_LATENESS_DAYS` allows a few days more."""

_ZONE = ZoneInfo("America/Sao_Paulo")  # of the account in which it happened
_PAVILION_A, _PAVILION_B, _COLD_STORE = (f"02:00:00:00:00:0{number}" for number in (1, 2, 3))


class Outage(Struct, frozen=True):
    """A time from which a gateway sent nothing, or only later: after `since`, up to `until`."""

    mac: str
    since: datetime
    until: datetime

    def holds(self, mac: str, at: datetime) -> bool:
        """Whether a message belongs to it."""
        return mac == self.mac and self.since < at <= self.until


class Spike(Struct, frozen=True):
    """A reading that is `factor` times too large."""

    mac: str
    code: str
    at: datetime
    factor: int


class Leak(Struct, frozen=True):
    """A delta that is `factor` times as large from after `since` on."""

    mac: str
    code: str
    since: datetime
    factor: Decimal


class Replacement(Struct, frozen=True):
    """A meter that was replaced by one that began at zero."""

    mac: str
    code: str
    at: datetime


class Events(Struct, frozen=True):
    """The past from `since` to `until`. The billing months before `closed_until` are closed.

    `silence` is never made good; `late` comes when its month is closed. `open_spike` waits for a
    decision; `accepted_spike` was accepted, its month closed, and corrected afterwards. `leak`
    began a week ago and goes on until the end.
    """

    since: datetime
    until: datetime
    closed_until: datetime
    replacement: Replacement
    silence: Outage
    late: Outage
    open_spike: Spike
    accepted_spike: Spike
    leak: Leak


def list_events(registered_at: datetime) -> Events:
    """The events before the fleet was registered, within the two months before that one."""
    until = registered_at.replace(second=0, microsecond=0)
    today = until.astimezone(_ZONE).replace(hour=0, minute=0)
    month = today.replace(day=1)
    last = (month - timedelta(days=1)).replace(day=1)
    closed = (last - timedelta(days=1)).replace(day=1)
    return Events(
        since=today - PAST,
        until=until,
        closed_until=last,
        replacement=Replacement(_PAVILION_B, "D04", last.replace(day=12, hour=10, minute=40)),
        silence=Outage(_COLD_STORE, last.replace(day=17), last.replace(day=24)),
        late=Outage(_PAVILION_B, closed.replace(day=20), closed.replace(day=23)),
        open_spike=Spike(_PAVILION_A, "D01", last.replace(day=27, hour=15), factor=30),
        accepted_spike=Spike(_PAVILION_B, "D01", closed.replace(day=9, hour=14), factor=40),
        leak=Leak(_COLD_STORE, "D02", today - timedelta(days=7), Decimal("1.4")),
    )
