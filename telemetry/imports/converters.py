"""Make messages of the contract from lines of CSV and JSONL. Pure; it validates nothing.

Every line becomes exactly one message. One that cannot be parsed is sent unchanged: the
contract then names the reason, and its dead letter holds the very bytes of the line. Without a
readable MAC it goes to the topic of `NO_MAC`.
"""

import csv
import re
from collections.abc import Callable, Mapping
from typing import TypeAlias

import msgspec
from msgspec import Raw, Struct

from telemetry.core.batch import RawMessage
from telemetry.core.topic import read_mac

NO_MAC = "00:00:00:00:00:00"
"""No device has it. Its topic has the contract's form, so that the reason is that of the line."""

COLUMNS: Mapping[str, str] = {
    "gateway_mac": "gateway_mac",
    "timestamp": "timestamp",
    "device_code": "dispositivo_codigo",
    "dispositivo_codigo": "dispositivo_codigo",
    "value": "valor",
    "valor": "valor",
    "unit": "unidade",
    "unidade": "unidade",
}
NEEDED = ("gateway_mac", "timestamp", "dispositivo_codigo", "valor", "unidade")
_SHOWN = ("gateway_mac", "timestamp", "device_code", "value", "unit")
DELIMITERS = (",", ";")

Converter: TypeAlias = Callable[[bytes], RawMessage]
"""One line in, one message out. Never raises."""

_is_number = re.compile(r"-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?").fullmatch


class HeaderError(ValueError):
    """The first line of a CSV file is no header. The text is one line for the operator."""


class _Address(Struct):
    gateway_mac: str


_read_address = msgspec.json.Decoder(_Address).decode
_encode = msgspec.json.Encoder().encode


def make_topic(prefix: str, mac: str) -> str:
    """The telemetry topic of a gateway; that of `NO_MAC` when `mac` is none."""
    return f"{prefix}/devices/{read_mac(mac) or NO_MAC}/telemetry"


def convert_jsonl(prefix: str) -> Converter:
    """Lines that are payloads: nothing of them is changed."""

    def convert(line: bytes) -> RawMessage:
        try:
            mac = _read_address(line).gateway_mac
        except (msgspec.MsgspecError, RecursionError, UnicodeDecodeError):
            mac = ""
        return RawMessage(make_topic(prefix, mac), line)

    return convert


class Header(Struct, frozen=True):
    """The columns of a CSV file in their order, by the wire's names; further ones by their own."""

    delimiter: str
    names: tuple[str, ...]


def read_header(line: bytes) -> Header:
    """Find delimiter and columns. Raises `HeaderError`."""
    try:
        text = line.decode()
    except UnicodeDecodeError as error:
        raise HeaderError(f"the header is not UTF-8 at byte {error.start}") from None
    found = max((_split_header(text, delimiter) for delimiter in DELIMITERS), key=_count_needed)
    missing = [shown for shown, name in zip(_SHOWN, NEEDED, strict=True) if name not in found.names]
    if missing:
        raise HeaderError(
            f"the header lacks {', '.join(missing)}: expected gateway_mac, timestamp, device_code, "
            f"value, unit (or dispositivo_codigo, valor, unidade) with , or ; between, "
            f"got {text[:80]!r}"
        )
    if "" in found.names:
        raise HeaderError(f"column {found.names.index('') + 1} of the header has no name")
    twice = sorted({name for name in found.names if found.names.count(name) > 1})
    if twice:
        raise HeaderError(f"the header has {', '.join(twice)} twice")
    return found


def _split_header(text: str, delimiter: str) -> Header:
    cells = [cell.strip() for cell in split_cells(text, delimiter) or [text]]
    return Header(delimiter, tuple(COLUMNS.get(cell.lower(), cell) for cell in cells))


def _count_needed(header: Header) -> int:
    return sum(name in header.names for name in NEEDED)


def split_cells(text: str, delimiter: str) -> list[str] | None:
    """The cells of one line (RFC 4180, without line breaks in cells); None when a quote is left
    open or in a wrong place."""
    if '"' not in text:
        return text.split(delimiter)
    try:
        return next(csv.reader([text], delimiter=delimiter, strict=True), None)
    except csv.Error:
        return None


def convert_csv(prefix: str, header: Header) -> Converter:
    """Lines of one reading each. A value that is a JSON number stays the text that it is; any other
    becomes a JSON string, and the contract says what it is worth: nothing is guessed."""
    delimiter, names = header.delimiter, header.names
    mac_at, time_at, code_at, value_at, unit_at = (names.index(name) for name in NEEDED)
    further = [(name, at) for at, name in enumerate(names) if name not in NEEDED]

    def convert(line: bytes) -> RawMessage:
        cells = split_cells(line.decode("utf-8", "surrogateescape"), delimiter) or []
        mac = cells[mac_at] if len(cells) > mac_at else ""
        topic = make_topic(prefix, mac)
        if len(cells) != len(names) or not (line.isascii() or _is_utf8(line)):
            return RawMessage(topic, line)
        value = cells[value_at]
        reading = {
            "dispositivo_codigo": cells[code_at],
            "valor": Raw(value.encode()) if _is_number(value) else value,
            "unidade": cells[unit_at],
        }
        for name, at in further:
            reading[name] = cells[at]
        return RawMessage(
            topic,
            _encode({"gateway_mac": mac, "timestamp": cells[time_at], "leituras": [reading]}),
        )

    return convert


def _is_utf8(line: bytes) -> bool:
    try:
        line.decode()
    except UnicodeDecodeError:
        return False
    return True
