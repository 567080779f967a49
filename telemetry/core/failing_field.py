"""Which line of a shown payload made it be rejected. Pure; for people, so a guess is allowed."""

import re
from collections.abc import Iterator

from msgspec import Struct

from telemetry.core.reasons import Reason

FIELDS = {
    Reason.MAC_MISMATCH: "gateway_mac",
    Reason.UNKNOWN_GATEWAY: "gateway_mac",
    Reason.INACTIVE_GATEWAY: "gateway_mac",
    Reason.BAD_TIMESTAMP: "timestamp",
    Reason.TIMESTAMP_OUT_OF_RANGE: "timestamp",
    Reason.UNKNOWN_DEVICE: "dispositivo_codigo",
    Reason.INACTIVE_DEVICE: "dispositivo_codigo",
    Reason.BAD_VALUE: "valor",
    Reason.NEGATIVE_VALUE: "valor",
    Reason.CONFLICTING_READING: "valor",
    Reason.UNIT_MISMATCH: "unidade",
}
_NAMED = re.compile(r"(?:leituras\[(\d+)\]\.)?(\w+)(?=[: ]|$)")
_MEMBER = re.compile(r'\s*"(\w+)":')
_OF_READING = frozenset({"dispositivo_codigo", "valor", "unidade"})


class ShownLine(Struct, frozen=True):
    """A line of a payload as it is shown, with its number from 1."""

    number: int
    text: str
    is_failing: bool


def mark_lines(text: str, *, reason: str, detail: str) -> list[ShownLine]:
    """The lines of JSON that is laid out, those that fail marked. None is where the field is not
    there, or the payload is no JSON."""
    lines = text.splitlines()
    failing = _find_line(lines, *_find_field(reason, detail))
    return [
        ShownLine(number, line, number == failing) for number, line in enumerate(lines, start=1)
    ]


def _find_field(reason: str, detail: str) -> tuple[str, int]:
    """The field's name, and the place of its reading in the message."""
    named = _NAMED.match(detail) if reason in (Reason.BAD_SCHEMA, Reason.BAD_VALUE) else None
    index = int(named[1]) if named is not None and named[1] else 0
    field = FIELDS.get(Reason(reason), "") if reason in set(Reason) else ""
    return (field or (named[2] if named is not None else "")), index


def _find_line(lines: list[str], field: str, index: int) -> int:
    """Of several readings the one at `index`; a payload reduced to one reading has only that."""
    found = list(_list_members(lines, field))
    if not found:
        return 0
    return found[index] if field in _OF_READING and index < len(found) else found[0]


def _list_members(lines: list[str], field: str) -> Iterator[int]:
    for number, line in enumerate(lines, start=1):
        member = _MEMBER.match(line)
        if member is not None and member[1] == field:
            yield number
