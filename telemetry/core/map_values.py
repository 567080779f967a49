"""Another text for a unit or a code of a payload, and every other byte as it came.

Payloads are not decoded and written again: numbers would lose their digits, and fields their order.
"""

import re
from collections.abc import Iterable

import msgspec

from telemetry.core.reasons import Reason

MAPPED = {Reason.UNIT_MISMATCH: "unidade", Reason.UNKNOWN_DEVICE: "dispositivo_codigo"}
"""What can be mapped where a reading was rejected for it."""


def list_values(payload: bytes, field: str) -> list[str]:
    """The texts that a field of readings has, in order."""
    return [_decode(match[2]) for match in _find(field).finditer(payload)]


def map_value(payload: bytes, field: str, *, before: str, after: str) -> bytes | None:
    """The payload with `after` wherever the field was `before`; None where it never was."""
    new = msgspec.json.encode(after)
    count = 0

    def replace(match: re.Match[bytes]) -> bytes:
        nonlocal count
        if _decode(match[2]) != before:
            return match[0]
        count += 1
        return match[1] + new

    mapped = _find(field).sub(replace, payload)
    return mapped if count else None


def count_values(payloads: Iterable[bytes], field: str) -> dict[str, int]:
    """How often each text comes, the most frequent first."""
    counts: dict[str, int] = {}
    for payload in payloads:
        for value in list_values(payload, field):
            counts[value] = counts.get(value, 0) + 1
    return dict(sorted(counts.items(), key=lambda item: -item[1]))


def _find(field: str) -> re.Pattern[bytes]:
    return re.compile(rb'("%s"\s*:\s*)("(?:[^"\\]|\\.)*")' % field.encode())


def _decode(text: bytes) -> str:
    try:
        return str(msgspec.json.decode(text))
    except (msgspec.MsgspecError, UnicodeDecodeError):
        return ""
