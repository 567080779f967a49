"""Take a payload apart (message contract, "Payload"): bytes in, typed fields out.

Two ways lead to the same result. The typed way decodes a well-formed message without further keys
in one pass; whatever it does not accept goes the loose way, which finds out what is wrong, field
by field. msgspec checks the JSON grammar of everything that it skips, so `Raw` is always JSON.
"""

import re
from collections.abc import Sequence
from typing import Annotated, ClassVar

import msgspec
from msgspec import Meta, Raw, Struct

from telemetry.core.reasons import Reason, RejectedError

MAX_READINGS = 500
MAX_CODE_LENGTH = 20
MAX_UNIT_LENGTH = 10

_HAZARD = re.compile(r"\\u0000|[eE][+-]?[0-9]{3}|[0-9.]{200}")
_MAX_BRACKETS = 64


class Item(
    Struct,
    forbid_unknown_fields=True,
    gc=False,
    rename={"code": "dispositivo_codigo", "value": "valor", "unit": "unidade"},
):
    """One item of `leituras`; the value is still JSON text."""

    code: Annotated[str, Meta(min_length=1, max_length=MAX_CODE_LENGTH)]
    value: Raw
    unit: Annotated[str, Meta(min_length=1, max_length=MAX_UNIT_LENGTH)]
    extra: ClassVar[str | None] = None


class ItemWithExtra(Struct, gc=False):
    """An item with further keys, kept as the text of a JSON object in `extra`."""

    code: str
    value: Raw
    unit: str
    extra: str | None


class Payload(Struct):
    """A payload taken apart. Where an item is bad, its error stands in its place."""

    gateway_mac: str
    timestamp: str
    items: Sequence[Item | ItemWithExtra | RejectedError]


class _Typed(Struct, forbid_unknown_fields=True):
    gateway_mac: str
    timestamp: str
    leituras: Annotated[list[Item], Meta(min_length=1, max_length=MAX_READINGS)]


_typed = msgspec.json.Decoder(_Typed)
_object = msgspec.json.Decoder(dict[str, Raw])
_list = msgspec.json.Decoder(list[Raw])
_text = msgspec.json.Decoder(str)


def decode_payload(payload: bytes) -> Payload:
    """Take a payload apart.

    Raises `RejectedError` with `bad_json` or `bad_schema` when the message is bad as a whole. An
    item that is bad by itself becomes a `RejectedError` in `items`.
    """
    try:
        payload.isascii() or payload.decode()
        typed = _typed.decode(payload)
    except (msgspec.ValidationError, RecursionError):
        return _decode_loosely(payload)
    except UnicodeDecodeError as error:
        raise RejectedError(Reason.BAD_JSON, f"not UTF-8 at byte {error.start}") from None
    except msgspec.DecodeError as error:
        raise RejectedError(Reason.BAD_JSON, str(error)) from None
    return Payload(typed.gateway_mac, typed.timestamp, typed.leituras)


def reduce_payload(payload: bytes, index: int) -> bytes:
    """The message with reading `index` alone, each value as it was written.

    This is what a dead letter for one reading keeps: sent again, it is judged like the original.
    """
    fields = _object.decode(payload)
    return b'{"gateway_mac":%b,"timestamp":%b,"leituras":[%b]}' % (
        bytes(fields["gateway_mac"]),
        bytes(fields["timestamp"]),
        bytes(_list.decode(fields["leituras"])[index]),
    )


def reading_json(payload: bytes, index: int) -> str:
    """Reading `index` as it was written, in a form that jsonb takes."""
    reading = _list.decode(_object.decode(payload)["leituras"])[index]
    return as_storable_json(bytes(reading).decode())


def _decode_loosely(payload: bytes) -> Payload:
    try:
        fields = _object.decode(payload)
    except msgspec.ValidationError:
        raise RejectedError(Reason.BAD_JSON, "expected a JSON object") from None
    except msgspec.DecodeError as error:
        raise RejectedError(Reason.BAD_JSON, str(error)) from None
    except RecursionError:
        raise RejectedError(Reason.BAD_JSON, "nested too deeply") from None
    gateway_mac = _read_text(fields, "gateway_mac", field="gateway_mac")
    timestamp = _read_text(fields, "timestamp", field="timestamp")
    readings = _read_readings(fields)
    items = [_read_item(raw, field=f"leituras[{index}]") for index, raw in enumerate(readings)]
    return Payload(gateway_mac, timestamp, items)


def _read_readings(fields: dict[str, Raw]) -> list[Raw]:
    if "leituras" not in fields:
        raise RejectedError(Reason.BAD_SCHEMA, "leituras: missing")
    try:
        readings = _list.decode(fields["leituras"])
    except msgspec.ValidationError:
        raise RejectedError(
            Reason.BAD_SCHEMA, f"leituras: expected a list, got {show(fields['leituras'])}"
        ) from None
    if not 1 <= len(readings) <= MAX_READINGS:
        raise RejectedError(
            Reason.BAD_SCHEMA,
            f"leituras: expected 1 to {MAX_READINGS} readings, got {len(readings)}",
        )
    return readings


def _read_item(raw: Raw, *, field: str) -> ItemWithExtra | RejectedError:
    try:
        fields = _object.decode(raw)
    except msgspec.ValidationError:
        return RejectedError(Reason.BAD_SCHEMA, f"{field}: expected an object, got {show(raw)}")
    try:
        code = _read_text(
            fields, "dispositivo_codigo", field=f"{field}.dispositivo_codigo", limit=MAX_CODE_LENGTH
        )
        value = fields.pop("valor", None)
        if value is None:
            raise RejectedError(Reason.BAD_SCHEMA, f"{field}.valor: missing")
        unit = _read_text(fields, "unidade", field=f"{field}.unidade", limit=MAX_UNIT_LENGTH)
    except RejectedError as error:
        return error
    del fields["dispositivo_codigo"], fields["unidade"]
    return ItemWithExtra(code, value, unit, _join_extra(fields) if fields else None)


def _read_text(fields: dict[str, Raw], key: str, *, field: str, limit: int | None = None) -> str:
    if key not in fields:
        raise RejectedError(Reason.BAD_SCHEMA, f"{field}: missing")
    try:
        text = _text.decode(fields[key])
    except msgspec.ValidationError:
        raise RejectedError(
            Reason.BAD_SCHEMA, f"{field}: expected a text, got {show(fields[key])}"
        ) from None
    if limit is not None and not 1 <= len(text) <= limit:
        raise RejectedError(
            Reason.BAD_SCHEMA, f"{field}: expected 1 to {limit} characters, got {len(text)}"
        )
    return text


def _join_extra(fields: dict[str, Raw]) -> str:
    pairs = (
        msgspec.json.encode(key).decode() + ":" + bytes(raw).decode() for key, raw in fields.items()
    )
    return as_storable_json("{" + ",".join(pairs) + "}")


def as_storable_json(text: str) -> str:
    """JSON that PostgreSQL's jsonb takes.

    jsonb has no NUL character, a bounded exponent and a bounded depth. What could break one of
    these is kept whole as text, under the key `json_text`: nothing of it is lost.
    """
    if _HAZARD.search(text) or text.count("[") + text.count("{") > _MAX_BRACKETS:
        return msgspec.json.encode({"json_text": text}).decode()
    return text


def show(raw: Raw) -> str:
    """JSON text for an error's detail, cut to a readable length."""
    text = bytes(raw).decode()
    return text if len(text) <= 40 else f"{text[:40]}..."
