"""The loose way to take a payload apart: every member as it was written, every fault by field."""

from itertools import count

from msgspec import Raw

from telemetry.core.items import MAX_READINGS, ItemWithExtra, Payload
from telemetry.core.json_tree import (
    Constant,
    Members,
    Node,
    TooDeepError,
    as_storable_json,
    find_repeated_key,
    read_json,
    truncate,
    walk,
    write_json,
)
from telemetry.core.reasons import Reason, RejectedError
from telemetry.core.texts import MAX_CODE_LENGTH, MAX_UNIT_LENGTH, find_control_character

_MISSING = object()
_KNOWN_KEYS = frozenset({"dispositivo_codigo", "valor", "unidade"})


def decode_loosely(text: str) -> Payload:
    """Raises `RejectedError` like `decode_payload`."""
    try:
        message = read_json(text)
    except TooDeepError:
        raise RejectedError(Reason.BAD_JSON, "nested too deeply") from None
    except ValueError as error:
        raise RejectedError(Reason.BAD_JSON, str(error)) from None
    if not isinstance(message, Members):
        raise RejectedError(Reason.BAD_JSON, "expected a JSON object")
    folded = text.lower()
    if "nan" in folded or "inf" in folded:
        _reject_constants(message)
    fields = dict(message)
    repeated = find_repeated_key(
        Members((key, None if key == "leituras" else value) for key, value in message)
    )
    if repeated is not None:
        raise RejectedError(Reason.BAD_SCHEMA, f"{_show_key(repeated)}: comes twice")
    gateway_mac, timestamp = _read_text(fields, "gateway_mac"), _read_text(fields, "timestamp")
    return Payload(gateway_mac, timestamp, list(map(_read_item, _read_readings(fields), count())))


def _reject_constants(message: Members) -> None:
    """NaN and its like are taken as the value of a reading and nowhere else."""
    values = [
        value
        for key, readings in message
        if key == "leituras" and isinstance(readings, list) and not isinstance(readings, Members)
        for reading in readings
        if isinstance(reading, Members)
        for name, value in reading
        if name == "valor"
    ]
    constants = [node for node in walk(message) if isinstance(node, Constant)]
    if len(constants) != sum(isinstance(value, Constant) for value in values):
        raise RejectedError(
            Reason.BAD_JSON, f"{', '.join(constants[:3])}: only as valor, if at all"
        )


def _read_readings(fields: dict[str, Node]) -> list[Node]:
    if "leituras" not in fields:
        raise RejectedError(Reason.BAD_SCHEMA, "leituras: missing")
    readings = fields["leituras"]
    if type(readings) is not list:
        raise RejectedError(
            Reason.BAD_SCHEMA, f"leituras: expected a list, got {_show_node(readings)}"
        )
    if not 1 <= len(readings) <= MAX_READINGS:
        raise RejectedError(
            Reason.BAD_SCHEMA,
            f"leituras: expected 1 to {MAX_READINGS} readings, got {len(readings)}",
        )
    return readings


def _read_item(node: Node, index: int) -> ItemWithExtra | RejectedError:
    try:
        if type(node) is not Members:
            raise RejectedError(Reason.BAD_SCHEMA, f": expected an object, got {_show_node(node)}")
        repeated = find_repeated_key(node)
        if repeated is not None:
            raise RejectedError(Reason.BAD_SCHEMA, f".{_show_key(repeated)}: comes twice")
        fields = dict(node)
        code = _read_short_text(fields, "dispositivo_codigo", limit=MAX_CODE_LENGTH)
        if "valor" not in fields:
            raise RejectedError(Reason.BAD_SCHEMA, ".valor: missing")
        unit = _read_short_text(fields, "unidade", limit=MAX_UNIT_LENGTH)
    except RejectedError as error:
        return RejectedError(error.reason, f"leituras[{index}]{error.detail}")
    extra = None
    if len(fields) > len(_KNOWN_KEYS):
        extra = as_storable_json(Members([each for each in node if each[0] not in _KNOWN_KEYS]))
    return ItemWithExtra(code, Raw(write_json(fields["valor"]).encode()), unit, extra)


def _read_text(fields: dict[str, Node], key: str, *, prefix: str = "") -> str:
    text = fields.get(key, _MISSING)
    if type(text) is str:
        return text
    fault = "missing" if text is _MISSING else f"expected a text, got {_show_node(text)}"
    raise RejectedError(Reason.BAD_SCHEMA, f"{prefix}{key}: {fault}")


def _read_short_text(fields: dict[str, Node], key: str, *, limit: int) -> str:
    text = _read_text(fields, key, prefix=".")
    control = find_control_character(text)
    if not 1 <= len(text) <= limit:
        fault = f"expected 1 to {limit} characters, got {len(text)}"
    elif control is not None:
        fault = f"expected no control character, got U+{ord(control):04X}"
    elif key == "unidade" and text.isspace():
        fault = "expected a unit, got white space"
    else:
        return text
    raise RejectedError(Reason.BAD_SCHEMA, f".{key}: {fault}")


def _show_node(node: Node) -> str:
    return truncate(write_json(node))


def _show_key(key: str) -> str:
    return truncate(key if key.isprintable() else write_json(key))
