"""The values of parameters and answers: how they are written, what is rejected.

Strict where leniency would hide a mistake: `limit=1.0`, a time without offset or a date that is no
date are rejected by name.
"""

import re
from datetime import UTC, date, datetime, time
from decimal import Decimal
from typing import Annotated, Any

from pydantic import AfterValidator, BeforeValidator, Field, PlainSerializer, WithJsonSchema

from telemetry.core.numbers import write_number

MOST_ID = 2**63 - 1
EARLIEST = datetime(1970, 1, 1, tzinfo=UTC)
LATEST = datetime(2200, 1, 1, tzinfo=UTC)

_DIGITS = re.compile(r"[0-9]{1,19}")
_DAY = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")
_CLOCK = re.compile(r"([01][0-9]|2[0-3]):[0-5][0-9](:[0-5][0-9])?")
_INSTANT = re.compile(
    r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}(\.[0-9]{1,6})?(Z|[+-][0-9]{2}:[0-9]{2})",
    re.IGNORECASE,
)


def write_instant(at: datetime) -> str:
    """An instant in UTC, for example 2026-11-01T12:00:00.500000Z."""
    return at.astimezone(UTC).isoformat().replace("+00:00", "Z")


def read_instant(text: Any) -> datetime:
    """An instant from a parameter. Raises `ValueError`."""
    if isinstance(text, datetime):
        return text
    if not isinstance(text, str) or not _INSTANT.fullmatch(text):
        raise ValueError(
            "expected an instant with offset such as 2026-11-01T12:00:00Z (write + as %2B)"
        )
    try:
        at = datetime.fromisoformat(text.upper()).astimezone(UTC)
    except (ValueError, OverflowError):
        raise ValueError("there is no such date or time") from None
    if not EARLIEST <= at < LATEST:
        raise ValueError("expected an instant from 1970 to 2199")
    return at


def read_day(text: Any) -> date:
    """A day from a parameter. Raises `ValueError`."""
    if isinstance(text, date):
        return text
    if not isinstance(text, str) or not _DAY.fullmatch(text):
        raise ValueError("expected a day such as 2026-11-01")
    try:
        day = date.fromisoformat(text)
    except ValueError:
        raise ValueError("there is no such day") from None
    if not EARLIEST.date() <= day < LATEST.date():
        raise ValueError("expected a day from 1970 to 2199")
    return day


def read_clock(text: Any) -> time:
    """A time of day from a body, as it is answered or without seconds. Raises `ValueError`."""
    if isinstance(text, time):
        return text
    if not isinstance(text, str) or not _CLOCK.fullmatch(text):
        raise ValueError("expected a time of day such as 17:30")
    return time.fromisoformat(text)


def _read_digits(value: Any) -> Any:
    if isinstance(value, str) and not _DIGITS.fullmatch(value):
        raise ValueError("expected a whole number in digits")
    return value


def _read_flag(value: Any) -> Any:
    if isinstance(value, str):
        if value not in ("true", "false"):
            raise ValueError("expected true or false")
        return value == "true"
    return value


def reject_nul(text: str) -> str:
    """PostgreSQL has no NUL in texts. Lone surrogates are rejected before."""
    if "\0" in text:
        raise ValueError("expected text without NUL")
    return text


Id = Annotated[int, Field(ge=1, le=MOST_ID), BeforeValidator(_read_digits)]
Limit = Annotated[
    int, Field(ge=1, le=1_000, description="rows of a page, at most"), BeforeValidator(_read_digits)
]
Flag = Annotated[bool, BeforeValidator(_read_flag)]
Since = Annotated[
    datetime, Field(description="first instant of the period"), BeforeValidator(read_instant)
]
Until = Annotated[
    datetime, Field(description="first instant after the period"), BeforeValidator(read_instant)
]
First = Annotated[date, Field(description="first day of the period"), BeforeValidator(read_day)]
End = Annotated[date, Field(description="first day after the period"), BeforeValidator(read_day)]
Reason = Annotated[
    str, Field(min_length=1, max_length=500, pattern=r"\S"), AfterValidator(reject_nul)
]
Note = Annotated[str, Field(max_length=500), AfterValidator(reject_nul)]
Group = Annotated[str, Field(min_length=1, max_length=100), AfterValidator(reject_nul)]

Clock = Annotated[
    time,
    BeforeValidator(read_clock),
    WithJsonSchema({"type": "string", "pattern": f"^{_CLOCK.pattern}$"}),
]
Day = Annotated[date, BeforeValidator(read_day)]

Instant = Annotated[
    datetime,
    PlainSerializer(write_instant, return_type=str),
    WithJsonSchema({"type": "string", "format": "date-time", "pattern": "Z$"}),
]
Exact = Annotated[
    Decimal,
    PlainSerializer(write_number, return_type=str),
    WithJsonSchema(
        {
            "type": "string",
            "format": "decimal",
            "pattern": r"^-?[0-9]+(\.[0-9]+)?$",
        }
    ),
]
