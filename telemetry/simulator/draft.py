"""A good message on its way to being made bad."""

import json
from dataclasses import dataclass
from typing import Any

from telemetry.core.reasons import Reason
from telemetry.simulator.outcomes import Outcome
from telemetry.simulator.series import format_instant
from telemetry.simulator.simulated_fleet import SimulatedFleet, SimulatedGateway

MARK_KEY = "simulated"


@dataclass(frozen=True, slots=True)
class Draft:
    """A good message before it is made bad. `number` is different for each message of a run.

    `run` (24 bits) is different for each run.
    """

    fleet: SimulatedFleet
    gateway: SimulatedGateway
    prefix: str
    run: int
    number: int
    time_us: int
    readings: tuple[dict[str, Any], ...]
    payload_limit_bytes: int
    ahead_us: int

    @property
    def mark(self) -> str:
        """What tells this message from every other bad one."""
        return f"{self.run:06x}-{self.number}"

    @property
    def fields(self) -> dict[str, Any]:
        """The payload's object, to change at will."""
        return {
            "gateway_mac": self.gateway.mac,
            "timestamp": format_instant(self.time_us),
            "leituras": [dict(reading) for reading in self.readings],
        }


@dataclass(frozen=True, slots=True)
class BadMessage:
    """A draft made bad."""

    topic: str
    payload: bytes
    outcome: Outcome


def telemetry_topic(prefix: str, mac: str) -> str:
    """The topic of a gateway, or of what pretends to be one."""
    return f"{prefix}/devices/{mac}/telemetry"


def reject_message(
    draft: Draft, reason: Reason, payload: bytes | dict[str, Any], *, mac: str = ""
) -> BadMessage:
    """A message that is rejected as a whole; `mac` is the topic's. Fields get the mark."""
    if isinstance(payload, dict):
        payload = encode({**payload, MARK_KEY: draft.mark})
    topic = telemetry_topic(draft.prefix, mac or draft.gateway.mac)
    return BadMessage(topic, payload, Outcome(rejected=(reason,)))


def reject_reading(draft: Draft, reason: Reason, index: int, **changes: Any) -> BadMessage:
    """Spoil reading `index`; a change to None removes the key. The others are stored."""
    fields = draft.fields
    reading = {**fields["leituras"][index], **changes, MARK_KEY: draft.mark}
    fields["leituras"][index] = {key: value for key, value in reading.items() if value is not None}
    stored = tuple(d.id for i, d in enumerate(draft.gateway.devices) if i != index)
    topic = telemetry_topic(draft.prefix, draft.gateway.mac)
    return BadMessage(topic, encode(fields), Outcome(stored, 0, (reason,)))


def mark_bytes(run: int) -> bytes:
    """What every bad payload of a run holds."""
    return f'"{MARK_KEY}":"{run:06x}-'.encode()


def encode(fields: object) -> bytes:
    """Compact JSON in UTF-8."""
    return json.dumps(fields, ensure_ascii=False, separators=(",", ":")).encode()
