"""Take a payload apart (message contract, "Payload"): bytes in, typed fields out.

Two ways lead to the same result. The typed way decodes a well-formed message without further keys
in one pass; whatever it does not accept goes the loose way, which reads every member as it was
written and finds out what is wrong, field by field.
"""

from functools import lru_cache
from typing import Annotated

import msgspec
from msgspec import Meta, Raw, Struct

from telemetry.core.items import MAX_READINGS, Item, Payload
from telemetry.core.json_tree import Node, as_storable_json, read_json, write_json
from telemetry.core.loose import decode_loosely
from telemetry.core.reasons import Reason, RejectedError

_QUOTES = 10  # of a message without readings, and of each reading whose value is a number


class _Typed(Struct, forbid_unknown_fields=True):
    gateway_mac: str
    timestamp: str
    leituras: Annotated[list[Item], Meta(min_length=1, max_length=MAX_READINGS)]


_typed = msgspec.json.Decoder(_Typed)
_object = msgspec.json.Decoder(dict[str, Raw])
_list = msgspec.json.Decoder(list[Raw])


def decode_payload(payload: bytes) -> Payload:
    """Take a payload apart.

    Raises `RejectedError` with `bad_json` or `bad_schema` when the message is bad as a whole. An
    item that is bad by itself becomes a `RejectedError` in `items`.
    """
    try:
        text = "" if payload.isascii() else payload.decode()
        typed = _typed.decode(payload)
        if _is_regular(payload, typed.leituras):
            return Payload(typed.gateway_mac, typed.timestamp, typed.leituras)
    except (msgspec.MsgspecError, RecursionError):
        pass
    except UnicodeDecodeError as error:
        raise RejectedError(Reason.BAD_JSON, f"not UTF-8 at byte {error.start}") from None
    return decode_loosely(text or payload.decode())


def reduce_payload(payload: bytes, index: int) -> bytes:
    """The message with reading `index` alone, each value as it was written.

    This is what a dead letter for one reading keeps: sent again, it is validated like the original.
    """
    head, readings = _split(payload)
    return b'{%b,"leituras":[%b]}' % (head, readings[index])


def reading_json(payload: bytes, index: int) -> str:
    """Reading `index` as it was written, in a form that jsonb takes."""
    return as_storable_json(_read_readings(payload)[index])


@lru_cache(maxsize=1)  # up to 500 readings of a message in a row
def _split(payload: bytes) -> tuple[bytes, list[bytes]]:
    """What all readings of a message share, and each of them as it was written."""
    try:
        fields = _object.decode(payload)
        mac, timestamp = bytes(fields["gateway_mac"]), bytes(fields["timestamp"])
        readings = list(map(bytes, _list.decode(fields["leituras"])))
    except msgspec.MsgspecError:  # a bare NaN
        nodes = dict(read_json(payload.decode()))
        mac, timestamp = _write(nodes["gateway_mac"]), _write(nodes["timestamp"])
        readings = list(map(_write, nodes["leituras"]))
    return b'"gateway_mac":%b,"timestamp":%b' % (mac, timestamp), readings


@lru_cache(maxsize=1)
def _read_readings(payload: bytes) -> list[Node]:
    readings: list[Node] = dict(read_json(payload.decode()))["leituras"]
    return readings


def _write(node: Node) -> bytes:
    return write_json(node).encode()


def _is_regular(payload: bytes, items: list[Item]) -> bool:
    """Whether the typed way has seen all of a message.

    Without escapes every quote ends or begins a text: a key that comes twice would change their
    number. A value that holds others is no value, and the loose way says so.
    """
    quotes = _QUOTES + _QUOTES * len(items)
    for item in items:
        value, unit = bytes(item.value), item.unit
        if value[0] in b"{[" or not (item.code.isprintable() and unit.isprintable()):
            return False
        if unit.isspace():
            return False
        quotes += value.count(b'"')
    return payload.count(b'"') == quotes and b"\\" not in payload
