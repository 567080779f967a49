"""The fast path through the contract, for messages with nothing out of the ordinary.

Nearly all are: numbers as JSON numbers, no further keys, a known gateway, the right units. They are
accepted in one pass, in a third of the time. Every other message is left to full validation,
which knows every reason; what is accepted here it accepts alike.

Values pass through a float, exactly. A number of at most four decimals is n / 10,000 for a whole n.
Below 10^11 doubles lie closer than 0.00002 to each other, so `n / 10_000 == value` says that the
number in the text is within 0.00001 of n / 10,000, and rounds to it. Any other number takes
full validation.
"""

from collections.abc import Callable
from functools import lru_cache

import msgspec
from msgspec import Struct

from telemetry.core.fleet_cache import GatewayEntry
from telemetry.core.items import MAX_READINGS
from telemetry.core.reading import MAX_TEN_THOUSANDTHS, ReadingRow, to_microseconds
from telemetry.core.reasons import RejectedError
from telemetry.core.texts import MAX_UNIT_LENGTH, choose_unit
from telemetry.core.topic import read_mac
from telemetry.core.values import read_timestamp

_LOWER_LIMIT = -MAX_TEN_THOUSANDTHS
_QUOTES = 10  # of a message without readings, and of each reading whose value is a number
_TO_SECOND = 19  # characters of a timestamp up to the second
_MICROSECONDS = slice(20, 26)
_ZONES = ("Z", "+00:00")
_LONGEST_TIMESTAMP = len("2026-02-18T11:00:00.123456789+00:00")


class _Item(
    Struct,
    forbid_unknown_fields=True,
    gc=False,
    rename={"code": "dispositivo_codigo", "value": "valor", "unit": "unidade"},
):
    code: str
    value: float
    unit: str


class _Payload(Struct, forbid_unknown_fields=True, gc=False):
    gateway_mac: str
    timestamp: str
    leituras: list[_Item]


_decode: Callable[[bytes], _Payload] = msgspec.json.Decoder(_Payload).decode


def try_fast_path(
    payload: bytes,
    gateway: GatewayEntry,
    *,
    earliest_us: int,
    latest_us: int,
) -> list[ReadingRow] | None:
    """The readings of a message; None when it needs full validation.

    A timestamp lies within `earliest_us` and `latest_us`, microseconds since 1970. The quotes are
    counted: a value that is a text, an escape or a key that comes twice would change their number.
    """
    try:
        decoded = _decode(payload)
        items = decoded.leituras
        if (
            (decoded.gateway_mac != gateway.mac and read_mac(decoded.gateway_mac) != gateway.mac)
            or payload.count(b'"') != _QUOTES + _QUOTES * len(items)
            or not 1 <= len(items) <= MAX_READINGS
        ):
            return None
        time_us = _read_timestamp_us(decoded.timestamp)
        if time_us is None or not earliest_us <= time_us <= latest_us:
            return None
        return _accept_items(items, gateway, time_us)
    except (msgspec.MsgspecError, RecursionError, ValueError, OverflowError):
        return None


def _accept_items(
    items: list[_Item], gateway: GatewayEntry, time_us: int
) -> list[ReadingRow] | None:
    devices, gateway_id = gateway.devices, gateway.id
    account_id = gateway.find_account(time_us) if gateway.earlier else gateway.account_id
    rows: list[ReadingRow] = []
    for item in items:
        device, unit = devices.get(item.code), item.unit
        value = round(item.value * 10_000)
        if (
            device is None
            or value / 10_000 != item.value
            or not _LOWER_LIMIT < value < device.limit
            or not device.is_active
            or (value < 0 and device.is_meter)
        ):
            return None
        if device.unit != unit or not unit:
            chosen = choose_unit(device.unit, unit) if len(unit) <= MAX_UNIT_LENGTH else None
            if chosen is None:
                return None
            unit = chosen
        rows.append((device.id, time_us, value, unit, None, account_id, gateway_id))
    return rows


def _read_timestamp_us(text: str) -> int | None:
    """Microseconds since 1970 of an instant; None when it is none.

    Messages of one batch share their seconds: those are read once, the microseconds each time.
    """
    fraction = text[_MICROSECONDS]
    if text[26:] in _ZONES and text[19] == "." and fraction.isdecimal() and text.isascii():
        second_us = _read_instant_us(text[:_TO_SECOND] + "Z")
        return None if second_us is None else second_us + int(fraction)
    return _read_instant_us(text) if len(text) <= _LONGEST_TIMESTAMP else None


@lru_cache(maxsize=1024)
def _read_instant_us(text: str) -> int | None:
    try:
        return to_microseconds(read_timestamp(text))
    except RejectedError:
        return None
