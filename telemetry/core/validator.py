"""Validate one message: which readings are good, what is rejected and why (message contract).

Pure: the fleet and the time of receipt are arguments. The checks run in the contract's order.
Whether a good reading is stored, a duplicate or in conflict is known only by the database. Nearly
all messages take the fast path of `telemetry.core.fast_path`.
"""

import re
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta

from msgspec import Struct

from telemetry.core.batch import RawMessage
from telemetry.core.fast_path import try_fast_path
from telemetry.core.fleet_cache import DeviceEntry, GatewayEntry
from telemetry.core.items import MAX_READINGS, Item, ItemWithExtra, Payload
from telemetry.core.payload import decode_payload, reading_json
from telemetry.core.reading import (
    ReadingRow,
    to_decimal,
    to_microseconds,
    to_ten_thousandths,
)
from telemetry.core.reasons import Reason, RejectedError
from telemetry.core.texts import choose_unit
from telemetry.core.topic import find_macs, read_mac
from telemetry.core.values import read_timestamp, read_value

EVERY_PLACE = range(MAX_READINGS)


class Contract(Struct, frozen=True):
    """The limits that a deployment may set."""

    topic_pattern: re.Pattern[str]
    payload_bytes: int
    ahead: timedelta
    behind: timedelta
    keep_raw: str = "extra"  # extra, always, never


class Rejection(Struct, gc=False):
    """A message, or one reading (`index`) of it, that becomes a dead letter (`reasons.py`)."""

    reason: Reason
    detail: str
    index: int | None = None
    device_code: str = ""


class ValidatedMessage(Struct):
    """What became of one message. Good readings and rejections add up to `readings_count`, or the
    message is rejected as a whole: one rejection without index and no reading. `indexes` has the
    place of each good reading in the message, in order, and may be longer."""

    mac: str
    gateway: GatewayEntry | None
    readings_count: int
    good: list[ReadingRow]
    indexes: Sequence[int]
    rejections: list[Rejection]


class Validator:
    """Validates messages that were received at one time against one fleet."""

    def __init__(
        self, contract: Contract, gateways: Mapping[str, GatewayEntry], *, received_at: datetime
    ) -> None:
        self._contract = contract
        self._gateways = gateways
        self._received_at = received_at
        self._earliest = received_at - contract.behind
        self._latest = received_at + contract.ahead
        self._earliest_us = to_microseconds(self._earliest)
        self._latest_us = to_microseconds(self._latest)
        # Longer payloads go step by step, and all do when `raw` keeps each reading as it was.
        self._fast_path_bytes = contract.payload_bytes if contract.keep_raw != "always" else -1

    def validate(self, message: RawMessage, mac: str | None) -> ValidatedMessage:
        """Take a message apart and check it; `mac` is its topic's, None for a topic of another
        form. Never raises for anything that a message may hold."""
        gateway, payload = self._gateways.get(mac or ""), message.payload
        if (
            gateway is not None
            and gateway.allows_fast_path
            and len(payload) <= self._fast_path_bytes
        ):
            rows = try_fast_path(
                payload, gateway, earliest_us=self._earliest_us, latest_us=self._latest_us
            )
            if rows is not None:
                return ValidatedMessage(gateway.mac, gateway, len(rows), rows, EVERY_PLACE, [])
        return self.validate_fully(message, mac)

    def validate_fully(self, message: RawMessage, mac: str | None) -> ValidatedMessage:
        """The same, step by step, with a reason for everything that is rejected."""
        validated_message = ValidatedMessage("", None, 0, [], [], [])
        try:
            gateway, payload = _identify(
                message, mac, validated_message, self._gateways, self._contract
            )
            time = self._check_time(payload.timestamp)
        except RejectedError as error:
            validated_message.rejections.append(Rejection(error.reason, error.detail))
            return validated_message
        validated_message.readings_count = len(payload.items)
        time_us = to_microseconds(time)
        indexes: list[int] = []
        for index, item in enumerate(payload.items):
            try:
                device, value, unit = _check_reading(item, index, gateway)
            except RejectedError as error:
                code = "" if isinstance(item, RejectedError) else item.code
                validated_message.rejections.append(
                    Rejection(error.reason, error.detail, index, code)
                )
                continue
            assert not isinstance(item, RejectedError)
            indexes.append(index)
            at_us = device.place(time_us)
            validated_message.good.append(
                (
                    device.id,
                    at_us,
                    value,
                    unit,
                    self._choose_raw(message.payload, item.extra, index),
                    gateway.find_account(at_us),
                    gateway.id,
                )
            )
        validated_message.indexes = indexes
        return validated_message

    def _choose_raw(self, payload: bytes, extra: str | None, index: int) -> str | None:
        if self._contract.keep_raw == "always":
            return reading_json(payload, index)
        return extra if self._contract.keep_raw == "extra" else None

    def _check_time(self, text: str) -> datetime:
        time = read_timestamp(text)
        if not self._earliest <= time <= self._latest:
            raise RejectedError(
                Reason.TIMESTAMP_OUT_OF_RANGE,
                f"timestamp: {text[:60]}, received {self._received_at.isoformat()}",
            )
        return time


def _identify(
    message: RawMessage,
    mac: str | None,
    validated_message: ValidatedMessage,
    gateways: Mapping[str, GatewayEntry],
    contract: Contract,
) -> tuple[GatewayEntry, Payload]:
    if mac is None:
        # `mac` stays empty: the reject guard must not count who publishes on a wrong topic.
        shown = find_macs(message.topic)
        validated_message.gateway = next(
            (gateways[each] for each in shown if each in gateways), None
        )
        raise RejectedError(Reason.BAD_TOPIC, f"topic: {message.topic[:120]!r}")
    validated_message.mac = mac
    gateway = validated_message.gateway = gateways.get(mac)
    if len(message.payload) > contract.payload_bytes:
        raise RejectedError(
            Reason.TOO_LARGE,
            f"payload: {len(message.payload)} bytes, at most {contract.payload_bytes}",
        )
    payload = decode_payload(message.payload)
    if read_mac(payload.gateway_mac) != mac:
        raise RejectedError(
            Reason.MAC_MISMATCH, f"gateway_mac: {payload.gateway_mac[:40]!r}, topic has {mac}"
        )
    if gateway is None:
        raise RejectedError(Reason.UNKNOWN_GATEWAY, f"no gateway has MAC {mac}")
    if not gateway.is_active:
        raise RejectedError(Reason.INACTIVE_GATEWAY, f"gateway {mac} or its account is deactivated")
    return gateway, payload


def _check_reading(
    item: Item | ItemWithExtra | RejectedError, index: int, gateway: GatewayEntry
) -> tuple[DeviceEntry, int, str]:
    """Its device, its value in ten-thousandths, and the unit to store."""
    if isinstance(item, RejectedError):
        raise item
    value, bad_value = 0, None
    try:
        value = to_ten_thousandths(read_value(item.value))
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
    if value >= device.limit:
        raise RejectedError(
            Reason.BAD_VALUE,
            f"leituras[{index}].valor: expected less than the modulus {to_decimal(device.limit)} "
            f"of {item.code!r}, got {to_decimal(value)}",
        )
    if device.is_meter and value < 0:
        raise RejectedError(Reason.NEGATIVE_VALUE, f"meter {item.code!r}: {to_decimal(value)}")
    unit = choose_unit(device.unit, item.unit)
    if unit is None:
        raise RejectedError(
            Reason.UNIT_MISMATCH,
            f"device {item.code!r} has {device.unit!r}, the reading {item.unit!r}",
        )
    return device, value, unit
