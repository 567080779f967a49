"""Which alarms a device's readings cause. `store/alarms/evaluate.sql` does the same in sets.

A reading beyond the limit opens an alarm or goes on with the open one; the next reading that is
not beyond closes it. Each limit of a device is evaluated by itself.
"""

from collections.abc import Iterable
from datetime import datetime
from decimal import Decimal
from typing import Literal, TypeAlias

from msgspec import Struct
from msgspec.structs import replace

from telemetry.core.consumption import Value

Kind: TypeAlias = Literal["low", "high"]


class Limit(Struct, frozen=True):
    """Values below a `low` limit, or above a `high` one, are beyond it."""

    kind: Kind
    value: Decimal


class Stretch(Struct, frozen=True):
    """A run of readings beyond a limit: an alarm. `worst` is the value that is furthest beyond.

    `closed_at` is the time of the reading after them, None while there is none.
    """

    opened_at: datetime
    last_beyond_at: datetime
    worst: Decimal
    closed_at: datetime | None = None


def is_beyond(value: Decimal, limit: Limit) -> bool:
    """Whether a value is beyond the limit. One that equals it is not."""
    return value < limit.value if limit.kind == "low" else value > limit.value


def evaluate_limit(
    values: Iterable[Value], limit: Limit, *, opened: Stretch | None = None
) -> list[Stretch]:
    """The alarms after these values, in order of time; the last one may still be open.

    `values` come in any order, and all after those of `opened`, the alarm that was open before.
    Several calls, each with what the one before left open, have the same result as one.
    """
    alarms: list[Stretch] = []
    for value in sorted(values, key=lambda value: value.at):
        if is_beyond(value.value, limit):
            opened = _extend(opened, value, limit)
        elif opened is not None:
            alarms.append(replace(opened, closed_at=value.at))
            opened = None
    return alarms if opened is None else [*alarms, opened]


def _extend(opened: Stretch | None, value: Value, limit: Limit) -> Stretch:
    if opened is None:
        return Stretch(value.at, value.at, value.value)
    worst = min if limit.kind == "low" else max
    return replace(opened, last_beyond_at=value.at, worst=worst(opened.worst, value.value))
