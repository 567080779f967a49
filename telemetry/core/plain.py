"""The straight way through the contract, for messages with nothing out of the ordinary.

Nearly all are: numbers as JSON numbers, no further keys, a known gateway, the right units. They are
accepted in one pass, in less than half of the time. Whatever is not plain is left to
`judge_message`, which knows every reason; what is accepted here it accepts alike.
"""

from collections.abc import Callable
from datetime import UTC, datetime
from decimal import ROUND_HALF_EVEN, Context, Decimal
from typing import Annotated

import msgspec
from msgspec import Meta, Struct

from telemetry.core.fleet import GatewayEntry
from telemetry.core.payload import MAX_CODE_LENGTH, MAX_READINGS, MAX_UNIT_LENGTH
from telemetry.core.reading import ReadingRow, to_microseconds
from telemetry.core.values import FOUR_DECIMALS, VALUE_LIMIT

_LIMIT = int(VALUE_LIMIT) * 10_000
_QUOTES = 10  # of a message without readings, and of each reading whose value is a number


class _Item(
    Struct,
    forbid_unknown_fields=True,
    gc=False,
    rename={"code": "dispositivo_codigo", "value": "valor", "unit": "unidade"},
):
    code: Annotated[str, Meta(min_length=1, max_length=MAX_CODE_LENGTH)]
    value: Decimal
    unit: Annotated[str, Meta(min_length=1, max_length=MAX_UNIT_LENGTH)]


class _Payload(Struct, forbid_unknown_fields=True, gc=False):
    gateway_mac: str
    timestamp: str
    leituras: Annotated[list[_Item], Meta(min_length=1, max_length=MAX_READINGS)]


_decode: Callable[[bytes], _Payload] = msgspec.json.Decoder(_Payload).decode
_context = Context(prec=28, rounding=ROUND_HALF_EVEN)


def accept_plain(
    payload: bytes,
    gateway: GatewayEntry,
    *,
    earliest: datetime,
    latest: datetime,
) -> list[ReadingRow] | None:
    """The readings of a message of an active gateway; None when it is not plain.

    A timestamp lies within `earliest` and `latest`. The quotes are counted: a value that is a text,
    an escape or a key that comes twice would change their number.
    """
    try:
        plain = _decode(payload)
        text = plain.timestamp
        time = datetime.fromisoformat(text)
        items = plain.leituras
        if (
            plain.gateway_mac != gateway.mac
            or time.tzinfo is not UTC
            or text[10] != "T"
            or not earliest <= time <= latest
            or payload.count(b'"') != _QUOTES + _QUOTES * len(items)
        ):
            return None
        payload.isascii() or payload.decode()  # msgspec does not check UTF-8
        return _accept_items(items, gateway, to_microseconds(time))
    except (msgspec.MsgspecError, RecursionError, ValueError, ArithmeticError):
        return None


def _accept_items(
    items: list[_Item], gateway: GatewayEntry, time_us: int
) -> list[ReadingRow] | None:
    devices, account_id, gateway_id = gateway.devices, gateway.account_id, gateway.id
    rows: list[ReadingRow] = []
    for item in items:
        device = devices.get(item.code)
        value = int(item.value.quantize(FOUR_DECIMALS, None, _context).scaleb(4))
        unit = item.unit
        if (
            device is None
            or not device.is_active
            or (device.unit != unit and device.unit)
            or not -_LIMIT < value < _LIMIT
            or (value < 0 and device.is_meter)
        ):
            return None
        rows.append((device.id, time_us, value, unit, None, account_id, gateway_id))
    return rows
