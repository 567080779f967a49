"""A reading that may be stored: integers only, so that rows are quick to sort, compare and write.

Instants are microseconds since 1970-01-01 UTC, values are ten-thousandths: both exact, as the
message contract has microseconds and four decimals. A row is a plain tuple: those sort in C.
"""

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import TypeAlias

Key: TypeAlias = tuple[int, int]
"""What makes a reading unique: device_id, instant in microseconds."""

ReadingRow: TypeAlias = tuple[int, int, int, str, str | None, int, int]
"""device_id, instant in microseconds, value in ten-thousandths, unit, raw, account_id,
gateway_id."""

HOUR_US = 3_600_000_000

MAX_TEN_THOUSANDTHS = 10**15
"""|value| is below this: 10^11 (message contract, "Payload")."""

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)


def key_of(row: ReadingRow) -> Key:
    """The key of a row."""
    return row[:2]


def value_of(row: ReadingRow) -> int:
    """The value of a row, in ten-thousandths."""
    return row[2]


def to_microseconds(instant: datetime) -> int:
    """An aware datetime as microseconds since 1970-01-01 UTC, exactly."""
    return (instant - _EPOCH) // _MICROSECOND


def to_instant(microseconds: int) -> datetime:
    """The inverse of `to_microseconds`, in UTC."""
    return _EPOCH + timedelta(microseconds=microseconds)


def to_ten_thousandths(value: Decimal) -> int:
    """A decimal of at most four places and 15 digits as an integer, exactly."""
    return int(value.scaleb(4))


def to_decimal(ten_thousandths: int) -> Decimal:
    """The inverse of `to_ten_thousandths`, with four places."""
    return Decimal(ten_thousandths).scaleb(-4)
