"""The ways in which a simulated message can be bad, and what each must become.

Together they cause every reason of the message contract that a publisher can cause. Each bad
message, or bad reading, holds the further key `simulated` with a mark of its own, so that no two
dead letters are the same, and those of one run can be found again.
"""

from collections.abc import Callable
from dataclasses import replace
from typing import TypeAlias

from telemetry.core.reasons import Reason
from telemetry.simulator.draft import (
    MARK_KEY,
    BadMessage,
    Draft,
    encode,
    reject_message,
    reject_reading,
)
from telemetry.simulator.series import format_instant
from telemetry.simulator.simulated_fleet import stray_mac

HOUR_US = 3_600_000_000

Maker: TypeAlias = Callable[[Draft], BadMessage | None]


def make_bad_topic(draft: Draft) -> BadMessage:
    """A topic whose MAC is none."""
    return reject_message(draft, Reason.BAD_TOPIC, draft.fields, mac="not-a-mac")


def make_misspelled_topic(draft: Draft) -> BadMessage:
    """A topic that ends as an installer misspelled it."""
    bad = reject_message(draft, Reason.BAD_TOPIC, draft.fields)
    return replace(bad, topic=bad.topic.replace("/telemetry", "/Telemetry"))


def make_too_large(draft: Draft) -> BadMessage:
    """One byte more than the limit, at least."""
    fields = {**draft.fields, "padding": "x" * draft.payload_limit_bytes}
    return reject_message(draft, Reason.TOO_LARGE, fields)


def make_truncated(draft: Draft) -> BadMessage:
    """A payload that was cut off."""
    return reject_message(
        draft, Reason.BAD_JSON, encode({MARK_KEY: draft.mark, **draft.fields})[:-1]
    )


def make_not_utf8(draft: Draft) -> BadMessage:
    """Bytes that are no text."""
    return reject_message(draft, Reason.BAD_JSON, encode({MARK_KEY: draft.mark}) + b"\xff\xfe")


def make_array(draft: Draft) -> BadMessage:
    """JSON, but no object."""
    return reject_message(draft, Reason.BAD_JSON, encode([{**draft.fields, MARK_KEY: draft.mark}]))


def make_no_timestamp(draft: Draft) -> BadMessage:
    """A field is missing."""
    fields = draft.fields
    del fields["timestamp"]
    return reject_message(draft, Reason.BAD_SCHEMA, fields)


def make_no_readings(draft: Draft) -> BadMessage:
    """An empty list."""
    return reject_message(draft, Reason.BAD_SCHEMA, {**draft.fields, "leituras": []})


def make_value_boolean(draft: Draft) -> BadMessage:
    """One reading whose value has the wrong type."""
    return reject_reading(draft, Reason.BAD_SCHEMA, len(draft.readings) - 1, valor=True)


def make_no_unit(draft: Draft) -> BadMessage:
    """One reading without a unit."""
    return reject_reading(draft, Reason.BAD_SCHEMA, 0, unidade=None)


def make_other_mac(draft: Draft) -> BadMessage:
    """A payload that names another gateway than the topic."""
    fields = {**draft.fields, "gateway_mac": stray_mac(draft.run, draft.number)}
    return reject_message(draft, Reason.MAC_MISMATCH, fields)


def make_unknown_gateway(draft: Draft) -> BadMessage:
    """A gateway that nobody registered."""
    mac = stray_mac(draft.run, draft.number)
    fields = {**draft.fields, "gateway_mac": mac}
    return reject_message(draft, Reason.UNKNOWN_GATEWAY, fields, mac=mac)


def make_inactive_gateway(draft: Draft) -> BadMessage | None:
    """A gateway that was deactivated, if the fleet has one."""
    mac = draft.fleet.inactive_mac
    if not mac:
        return None
    fields = {**draft.fields, "gateway_mac": mac}
    return reject_message(draft, Reason.INACTIVE_GATEWAY, fields, mac=mac)


def make_no_offset(draft: Draft) -> BadMessage:
    """A timestamp that could be anywhere."""
    fields = {**draft.fields, "timestamp": format_instant(draft.time_us).rstrip("Z")}
    return reject_message(draft, Reason.BAD_TIMESTAMP, fields)


def make_no_date(draft: Draft) -> BadMessage:
    """A timestamp that is none."""
    return reject_message(draft, Reason.BAD_TIMESTAMP, {**draft.fields, "timestamp": "yesterday"})


def make_future(draft: Draft) -> BadMessage:
    """A clock that is days ahead: more than the contract and any delay of the run allow."""
    ahead_us = draft.time_us + draft.ahead_us + 48 * HOUR_US
    fields = {**draft.fields, "timestamp": format_instant(ahead_us)}
    return reject_message(draft, Reason.TIMESTAMP_OUT_OF_RANGE, fields)


def make_past(draft: Draft) -> BadMessage:
    """A clock that was never set."""
    fields = {**draft.fields, "timestamp": format_instant(draft.number)}
    return reject_message(draft, Reason.TIMESTAMP_OUT_OF_RANGE, fields)


def make_unknown_device(draft: Draft) -> BadMessage:
    """One reading of a device that the gateway does not have."""
    return reject_reading(draft, Reason.UNKNOWN_DEVICE, 0, dispositivo_codigo="NO-DEVICE")


def make_inactive_device(draft: Draft) -> BadMessage | None:
    """A reading of a deactivated device, if the fleet has one; nothing beside it."""
    mac, code = draft.fleet.inactive_device_mac, draft.fleet.inactive_device_code
    if not code:
        return None
    reading = {
        "dispositivo_codigo": code,
        "valor": 1,
        "unidade": "kWh",
        MARK_KEY: draft.mark,
    }
    fields = {**draft.fields, "gateway_mac": mac, "leituras": [reading]}
    return reject_message(draft, Reason.INACTIVE_DEVICE, fields, mac=mac)


def make_value_nan(draft: Draft) -> BadMessage:
    """One reading whose value is a string that holds no number."""
    return reject_reading(draft, Reason.BAD_VALUE, len(draft.readings) - 1, valor="NaN")


def make_value_huge(draft: Draft) -> BadMessage:
    """One reading whose value does not fit."""
    return reject_reading(draft, Reason.BAD_VALUE, 0, valor="100000000000")


def make_negative(draft: Draft) -> BadMessage | None:
    """A meter that goes below zero, if the gateway has one."""
    for index, device in enumerate(draft.gateway.devices):
        if device.is_meter:
            return reject_reading(draft, Reason.NEGATIVE_VALUE, index, valor=-1.5)
    return None


def make_other_unit(draft: Draft) -> BadMessage | None:
    """A unit that is not the device's, if a device has one."""
    for index, device in enumerate(draft.gateway.devices):
        if device.unit:
            return reject_reading(draft, Reason.UNIT_MISMATCH, index, unidade="bananas")
    return None


MAKERS: tuple[Maker, ...] = (
    make_bad_topic,
    make_truncated,
    make_unknown_device,
    make_not_utf8,
    make_negative,
    make_array,
    make_no_unit,
    make_no_timestamp,
    make_other_unit,
    make_no_readings,
    make_value_nan,
    make_other_mac,
    make_unknown_gateway,
    make_value_boolean,
    make_inactive_gateway,
    make_no_offset,
    make_inactive_device,
    make_no_date,
    make_future,
    make_value_huge,
    make_past,
    make_too_large,
    make_misspelled_topic,
)


def make_bad(draft: Draft, *, way: int) -> BadMessage:
    """Make a message bad in way number `way`, or the next that this gateway can take."""
    for step in range(len(MAKERS)):
        bad = MAKERS[(way + step) % len(MAKERS)](draft)
        if bad is not None:
            return bad
    raise AssertionError("ways that every gateway can take exist")
