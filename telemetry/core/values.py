"""Read values and timestamps exactly (message contract, "Payload")."""

import re
from datetime import UTC, datetime
from decimal import ROUND_HALF_EVEN, Context, Decimal, InvalidOperation

import msgspec
from msgspec import Raw

from telemetry.core.payload import show
from telemetry.core.reasons import Reason, RejectedError

VALUE_LIMIT = Decimal(10) ** 11
_LOWER_LIMIT = -VALUE_LIMIT
FOUR_DECIMALS = Decimal("0.0001")
ZERO = Decimal("0.0000")

_JSON_NUMBER = re.compile(r"-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?")
_context = Context(prec=28, rounding=ROUND_HALF_EVEN)


def read_value(raw: Raw) -> Decimal:
    """The value with four decimals, rounded half-even; never through a float.

    Judged after rounding: what is stored is what counts. Raises `RejectedError`: `bad_schema` for
    anything but a number or a text, `bad_value` for no finite decimal or one out of range.
    """
    text = str(raw, "utf-8")
    first = text[0]
    if first == '"':
        text = msgspec.json.decode(raw)
        if not _JSON_NUMBER.fullmatch(text):
            raise RejectedError(Reason.BAD_VALUE, f"valor: expected a number, got {show(raw)}")
    elif first not in "-0123456789":
        raise RejectedError(
            Reason.BAD_SCHEMA,
            f"valor: expected a JSON number or a string that holds one, got {show(raw)}",
        )
    try:
        value = Decimal(text).quantize(FOUR_DECIMALS, context=_context)
    except InvalidOperation:
        raise _too_large(raw) from None
    if not _LOWER_LIMIT < value < VALUE_LIMIT:
        raise _too_large(raw)
    return value if value else ZERO


def _too_large(raw: Raw) -> RejectedError:
    return RejectedError(Reason.BAD_VALUE, f"valor: expected |valor| < 10^11, got {show(raw)}")


def read_timestamp(text: str) -> datetime:
    """The instant in UTC, microseconds. Raises `RejectedError` with `bad_timestamp`.

    ISO 8601 date and time with `Z` or an offset; without one it is ambiguous and refused.
    """
    try:
        instant = datetime.fromisoformat(text)
    except ValueError:
        instant = None
    if instant is None or not ("T" in text or "t" in text or " " in text):
        raise RejectedError(
            Reason.BAD_TIMESTAMP, f"timestamp: expected ISO 8601, got {text[:60]!r}"
        )
    if instant.tzinfo is None:
        raise RejectedError(
            Reason.BAD_TIMESTAMP, f"timestamp: expected Z or an offset, got {text[:60]!r}"
        )
    if instant.tzinfo is UTC:
        return instant
    try:
        return instant.astimezone(UTC)
    except OverflowError:
        raise RejectedError(
            Reason.TIMESTAMP_OUT_OF_RANGE, f"timestamp: {text[:60]!r} is no instant of UTC"
        ) from None
