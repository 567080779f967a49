"""Reasons of dead letters in words: their names, and what to do about each."""

from typing import Any

from django.utils.translation import gettext_lazy as _

from telemetry.core.reasons import Reason

NAMES: dict[str, Any] = {
    Reason.BAD_TOPIC: _("Wrong topic"),
    Reason.TOO_LARGE: _("Message too large"),
    Reason.BAD_JSON: _("No valid JSON"),
    Reason.BAD_SCHEMA: _("Field missing or of a wrong type"),
    Reason.MAC_MISMATCH: _("MAC of another gateway"),
    Reason.UNKNOWN_GATEWAY: _("Unregistered gateway"),
    Reason.INACTIVE_GATEWAY: _("Deactivated gateway"),
    Reason.BAD_TIMESTAMP: _("Unreadable timestamp"),
    Reason.TIMESTAMP_OUT_OF_RANGE: _("Clock ahead or behind"),
    Reason.UNKNOWN_DEVICE: _("Unregistered device"),
    Reason.INACTIVE_DEVICE: _("Deactivated device"),
    Reason.BAD_VALUE: _("No valid number"),
    Reason.NEGATIVE_VALUE: _("Negative value"),
    Reason.UNIT_MISMATCH: _("Other unit"),
    Reason.CONFLICTING_READING: _("Another value is stored"),
    Reason.RATE_LIMITED: _("Too many messages"),
    Reason.PROCESSING_ERROR: _("Error of this system"),
}

NEXT_STEPS: dict[str, Any] = {
    Reason.BAD_TOPIC: _(
        "Correct the topic in the gateway: {prefix}/devices/{mac}/telemetry, in lower case and "
        "without a slash at the end."
    ),
    Reason.TOO_LARGE: _(
        "Send fewer readings in a message, or raise MAX_PAYLOAD_BYTES and replay these."
    ),
    Reason.BAD_JSON: _("Correct the gateway's program: often a message was cut off."),
    Reason.BAD_SCHEMA: _("Correct the gateway's program; the detail names the field."),
    Reason.MAC_MISMATCH: _(
        "Correct the gateway's configuration: the MAC of its topic and that of its payload must "
        "be the same."
    ),
    Reason.UNKNOWN_GATEWAY: _(
        "Register the gateway: what waits is then stored within a minute by itself."
    ),
    Reason.INACTIVE_GATEWAY: _("Activate the gateway and its account, or switch the gateway off."),
    Reason.BAD_TIMESTAMP: _(
        "Correct the gateway's program: a timestamp such as 2026-02-18T12:46:36-03:00, with its "
        "offset."
    ),
    Reason.TIMESTAMP_OUT_OF_RANGE: _(
        "Set the gateway's clock (NTP). For old data raise MAX_LATENESS_DAYS and replay these."
    ),
    Reason.UNKNOWN_DEVICE: _(
        "Register the device, or correct its code in the gateway. What waits is then stored by "
        "itself."
    ),
    Reason.INACTIVE_DEVICE: _(
        "Activate the device, or remove it from the gateway's configuration."
    ),
    Reason.BAD_VALUE: _(
        "Correct the gateway's program, or the modulus of the device: a value is a number with a "
        "decimal point."
    ),
    Reason.NEGATIVE_VALUE: _(
        "A meter's value is not negative: correct the gateway's program, or the kind of the device."
    ),
    Reason.UNIT_MISMATCH: _(
        "Correct the unit in the gateway or at the device, then replay these. Case counts: mW is "
        "not MW."
    ),
    Reason.CONFLICTING_READING: _(
        "Compare both values. Take the rejected one if it is right, else discard it."
    ),
    Reason.RATE_LIMITED: _(
        "Find out why the gateway sends so much, or raise LIMIT_GATEWAY_RATE or LIMIT_ACCOUNT_RATE."
    ),
    Reason.PROCESSING_ERROR: _("Report it with the detail; replay these once it is mended."),
}

REGISTRATION = frozenset(
    {
        Reason.UNKNOWN_GATEWAY,
        Reason.INACTIVE_GATEWAY,
        Reason.UNKNOWN_DEVICE,
        Reason.INACTIVE_DEVICE,
    }
)
CLOCK = frozenset({Reason.BAD_TIMESTAMP, Reason.TIMESTAMP_OUT_OF_RANGE})


def name_reason(reason: str) -> Any:
    """The reason in words; a code that is not known as it is."""
    return NAMES.get(reason, reason)


def choose_series(reason: str) -> int:
    """The colour of a series that the reason has: registration 1, contents 2, clock 3, other 4."""
    if reason in REGISTRATION:
        return 1
    if reason in CLOCK:
        return 3
    return 4 if reason in (Reason.RATE_LIMITED, Reason.PROCESSING_ERROR) else 2
