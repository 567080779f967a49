"""Judge one message: which readings are good, what is refused and why (message contract).

Pure: the fleet and the time of receipt are arguments. The checks run in the contract's order.
Whether a good reading is stored, a duplicate or in conflict is known only by the database.
"""

import re
from collections.abc import Mapping
from datetime import datetime, timedelta
from decimal import Decimal

from msgspec import Struct

from telemetry.core.batch import RawMessage
from telemetry.core.fleet import DeviceEntry, GatewayEntry
from telemetry.core.payload import (
    Item,
    ItemWithExtra,
    Payload,
    decode_payload,
    reading_json,
)
from telemetry.core.reasons import Reason, RejectedError
from telemetry.core.topic import parse_topic
from telemetry.core.values import read_timestamp, read_value


class Contract(Struct, frozen=True):
    """The limits that a deployment may set."""

    topic_pattern: re.Pattern[str]
    payload_bytes: int
    ahead: timedelta
    behind: timedelta
    keep_raw: str = "extra"  # extra, always, never


class GoodReading(Struct, gc=False):
    """A reading that may be stored. `index` is its place in the message."""

    device_id: int
    time: datetime
    value: Decimal
    unit: str
    raw: str | None
    index: int


class Refusal(Struct, gc=False):
    """One dead letter to be: a whole message, or one reading (`index`) of it."""

    reason: Reason
    detail: str
    index: int | None = None
    device_code: str = ""


class Verdict(Struct):
    """What became of one message. Good readings and refusals add up to `readings_count`,
    or the message is refused as a whole: one refusal without index and no reading."""

    mac: str
    gateway: GatewayEntry | None
    readings_count: int
    good: list[GoodReading]
    refusals: list[Refusal]


def judge_message(
    message: RawMessage,
    *,
    gateways: Mapping[str, GatewayEntry],
    received_at: datetime,
    contract: Contract,
) -> Verdict:
    """Take a message apart and check it. Never raises for anything that a message may hold."""
    verdict = Verdict("", None, 0, [], [])
    try:
        gateway, payload = _identify(message, verdict, gateways, contract)
        time = _check_time(payload.timestamp, received_at, contract)
    except RejectedError as error:
        verdict.refusals.append(Refusal(error.reason, error.detail))
        return verdict
    verdict.readings_count = len(payload.items)
    for index, item in enumerate(payload.items):
        try:
            device, value = _check_reading(item, index, gateway)
        except RejectedError as error:
            code = "" if isinstance(item, RejectedError) else item.code
            verdict.refusals.append(Refusal(error.reason, error.detail, index, code))
            continue
        assert not isinstance(item, RejectedError)
        raw = item.extra if contract.keep_raw == "extra" else None
        if contract.keep_raw == "always":
            raw = reading_json(message.payload, index)
        verdict.good.append(GoodReading(device.id, time, value, item.unit, raw, index))
    return verdict


def _identify(
    message: RawMessage,
    verdict: Verdict,
    gateways: Mapping[str, GatewayEntry],
    contract: Contract,
) -> tuple[GatewayEntry, Payload]:
    mac = parse_topic(message.topic, contract.topic_pattern)
    if mac is None:
        raise RejectedError(Reason.BAD_TOPIC, f"topic: {message.topic[:120]!r}")
    verdict.mac = mac
    gateway = verdict.gateway = gateways.get(mac)
    if len(message.payload) > contract.payload_bytes:
        raise RejectedError(
            Reason.TOO_LARGE,
            f"payload: {len(message.payload)} bytes, at most {contract.payload_bytes}",
        )
    payload = decode_payload(message.payload)
    if payload.gateway_mac.lower() != mac:
        raise RejectedError(
            Reason.MAC_MISMATCH, f"gateway_mac: {payload.gateway_mac[:40]!r}, topic has {mac}"
        )
    if gateway is None:
        raise RejectedError(Reason.UNKNOWN_GATEWAY, f"no gateway has MAC {mac}")
    if not gateway.is_active:
        raise RejectedError(Reason.INACTIVE_GATEWAY, f"gateway {mac} or its account is deactivated")
    return gateway, payload


def _check_time(text: str, received_at: datetime, contract: Contract) -> datetime:
    time = read_timestamp(text)
    if not received_at - contract.behind <= time <= received_at + contract.ahead:
        raise RejectedError(
            Reason.TIMESTAMP_OUT_OF_RANGE,
            f"timestamp: {text[:60]}, received {received_at.isoformat()}",
        )
    return time


def _check_reading(
    item: Item | ItemWithExtra | RejectedError, index: int, gateway: GatewayEntry
) -> tuple[DeviceEntry, Decimal]:
    if isinstance(item, RejectedError):
        raise item
    bad_value = None
    try:
        value = read_value(item.value)
    except RejectedError as error:
        bad_value = RejectedError(error.reason, f"leituras[{index}].{error.detail}")
        # A value of the wrong type is a fault of the form: it comes before the device's checks.
        if error.reason is Reason.BAD_SCHEMA:
            raise bad_value from None
    device = gateway.devices.get(item.code)
    if device is None:
        raise RejectedError(
            Reason.UNKNOWN_DEVICE, f"gateway {gateway.mac} has no device {item.code!r}"
        )
    if not device.is_active:
        raise RejectedError(Reason.INACTIVE_DEVICE, f"device {item.code!r} is deactivated")
    if bad_value is not None:
        raise bad_value
    if device.is_meter and value < 0:
        raise RejectedError(Reason.NEGATIVE_VALUE, f"meter {item.code!r}: {value}")
    if device.unit and device.unit != item.unit:
        raise RejectedError(
            Reason.UNIT_MISMATCH,
            f"device {item.code!r} has {device.unit!r}, the reading {item.unit!r}",
        )
    return device, value
