"""A reading that may be stored, as the row that is written.

A plain tuple: it sorts and compares in C, and the garbage collector lets go of it.
"""

from datetime import datetime
from decimal import Decimal
from typing import TypeAlias

Key: TypeAlias = tuple[int, datetime]
"""What makes a reading unique: device_id, time."""

ReadingRow: TypeAlias = tuple[int, datetime, Decimal, str, str | None, int, int, datetime]
"""device_id, time, value, unit, raw, account_id, gateway_id, received_at."""

COLUMNS = ("device_id", "time", "value", "unit", "raw", "account_id", "gateway_id", "received_at")


def key_of(row: ReadingRow) -> Key:
    """The key of a row."""
    return row[:2]


def value_of(row: ReadingRow) -> Decimal:
    """The value of a row."""
    return row[2]
