"""Read values and timestamps exactly (message contract, "Payload")."""

import math
import re
from datetime import UTC, datetime
from decimal import ROUND_HALF_EVEN, Context, Decimal, InvalidOperation

import msgspec
from msgspec import Raw

from telemetry.core.json_tree import is_constant, truncate
from telemetry.core.reasons import Reason, RejectedError

VALUE_LIMIT = Decimal(10) ** 11
_LOWER_LIMIT = -VALUE_LIMIT
FOUR_DECIMALS = Decimal("0.0001")
ZERO = Decimal("0.0000")

_MAX_WHOLE_DIGITS = 11
_PLACES = 4
_MAX_EXPONENT_DIGITS = 9  # no payload holds so many digits that a longer exponent evens out

_is_number = re.compile(r"[ \t]*[+-]?[0-9]+(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?[ \t]*").fullmatch
_context = Context(prec=28, rounding=ROUND_HALF_EVEN)

_CLOCK = r"(?:[01][0-9]|2[0-3]):[0-5][0-9]"
_is_timestamp = re.compile(
    rf"[0-9]{{4}}-[0-9]{{2}}-[0-9]{{2}}[Tt ]{_CLOCK}:[0-5][0-9](?:\.[0-9]{{1,9}})?"
    rf"(?:[Zz]|[+-]{_CLOCK})?"  # absent, it is told apart below
).fullmatch


def read_value(raw: Raw) -> Decimal:
    """The value with four decimals, rounded half-even; never through a float.

    Validated after rounding, as it is stored. Raises `RejectedError`: `bad_schema` for
    anything but a number or a text, `bad_value` for no finite decimal or one out of range.
    """
    text = str(raw, "utf-8")
    if text[0] == '"' or is_constant(text):
        text = _read_text(raw)
        if not _is_number(text):
            raise RejectedError(Reason.BAD_VALUE, f"valor: expected a number, got {_show(raw)}")
        text = text.strip(" \t")
    elif text[0] not in "-0123456789":
        raise RejectedError(
            Reason.BAD_SCHEMA,
            f"valor: expected a JSON number or a string that holds one, got {_show(raw)}",
        )
    value = _round(text)
    if value is None or not _LOWER_LIMIT < value < VALUE_LIMIT:
        raise RejectedError(Reason.BAD_VALUE, f"valor: expected |valor| < 10^11, got {_show(raw)}")
    return value if value else ZERO


def _show(raw: Raw) -> str:
    return truncate(str(raw, "utf-8"))


def _read_text(raw: Raw) -> str:
    try:
        return msgspec.json.decode(raw, type=str)
    except msgspec.DecodeError:  # a bare NaN
        return ""


def _round(text: str) -> Decimal | None:
    """Four decimals; None when it is too large."""
    if "e" in text or "E" in text:
        leading = _count_leading(text.lower())
        if not -_PLACES <= leading <= _MAX_WHOLE_DIGITS:
            return ZERO if leading < 0 else None
    try:
        return Decimal(text).quantize(FOUR_DECIMALS, context=_context)
    except InvalidOperation:
        return None


def _count_leading(text: str) -> float:
    """The n of 0.1 x 10^n <= |value| < 10^n; quick for an exponent of any size."""
    mantissa, _, exponent = text.partition("e")
    whole, _, places = mantissa.lstrip("+-").partition(".")
    significant = (whole + places).lstrip("0")
    if not significant:
        return -math.inf
    sign, magnitude = -1 if exponent.startswith("-") else 1, exponent.lstrip("+-").lstrip("0")
    if len(magnitude) > _MAX_EXPONENT_DIGITS:
        return sign * math.inf
    return len(significant) - len(places) + sign * int(magnitude or "0")


def read_timestamp(text: str) -> datetime:
    """The instant in UTC, microseconds. Raises `RejectedError` with `bad_timestamp`.

    RFC 3339 (message contract, "Payload"); without an offset it is ambiguous and rejected.
    """
    try:
        instant = datetime.fromisoformat(text.upper()) if _is_timestamp(text) else None
    except ValueError:  # no such day
        instant = None
    if instant is None:
        raise RejectedError(
            Reason.BAD_TIMESTAMP, f"timestamp: expected RFC 3339, got {text[:60]!r}"
        )
    if instant.tzinfo is UTC:
        return instant
    if instant.tzinfo is None:
        raise RejectedError(
            Reason.BAD_TIMESTAMP, f"timestamp: expected Z or an offset, got {text[:60]!r}"
        )
    try:
        return instant.astimezone(UTC)
    except OverflowError:
        raise RejectedError(
            Reason.TIMESTAMP_OUT_OF_RANGE, f"timestamp: {text[:60]!r} is no instant of UTC"
        ) from None
