"""What a register counted, as a pure function: rollovers, dips, spikes, resets, exchanges.

Between two readings of one register, `before` and `after`:

- `after` is not below `before`: the difference.
- A fall of at most 1% is noise: nothing is counted, and nothing again until the height before the
  fall is reached.
- Up to three readings that leave the readings around them, downwards or upwards by more than 1%,
  and come back: they are skipped (a dip, a spike).
- From the upper tenth of a modulus to its lower tenth: the register rolled over.
- Any other fall: the register began again at zero (a reset, which someone has to decide).

An exchange of the meter is a reading of both registers at its instant. Each stretch between two
exchanges is counted by itself.
"""

from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Literal, TypeAlias

from msgspec import Struct

NOISE = Decimal("0.01")  # of the height: a fall of at most this is none
MOST_OUTLIERS = 3
UPPER_TENTH, LOWER_TENTH = Decimal("0.9"), Decimal("0.1")
HOUR = timedelta(hours=1)

Case: TypeAlias = Literal["dip", "spike", "reset", "too_fast"]


class Value(Struct, frozen=True):
    """A reading."""

    at: datetime
    value: Decimal


class Replacement(Struct, frozen=True):
    """The register was exchanged at an instant: a reading of the old one and of the new one. A
    reading at the same instant is of the register that it equals, else of the old one."""

    at: datetime
    old_value: Decimal
    new_value: Decimal


class Register(Struct, frozen=True):
    """How a register counts: from 0 to below `modulus` (None: for ever). `is_net`: also
    backwards, when energy is fed in. `largest_rate`: units an hour that are plausible."""

    modulus: Decimal | None = None
    is_net: bool = False
    largest_rate: Decimal | None = None


class Step(Struct, frozen=True):
    """What was consumed after `since`, up to and including `at`; None: the first reading ever.

    `height` is what the register has reached, and goes on from. `skipped`: the readings that a dip
    or a spike consists of. `case`: what someone should look at.
    """

    since: datetime | None
    at: datetime
    consumed: Decimal
    height: Decimal
    case: Case | None = None
    skipped: tuple[Value, ...] = ()


def count_register(
    readings: Sequence[Value], register: Register, exchanges: Iterable[Replacement] = ()
) -> list[Step]:
    """The steps of a register. `readings`: in the order of time, each instant once. The first one
    of each stretch has no step."""
    return [
        step
        for stretch in split_stretches(readings, exchanges)
        for step in count_stretch(stretch, register)
    ]


def split_stretches(
    readings: Sequence[Value], exchanges: Iterable[Replacement]
) -> list[list[Value]]:
    """The readings of each meter, with those at its exchanges."""
    stretches: list[list[Value]] = [[]]
    rest = list(readings)
    for exchange in sorted(exchanges, key=lambda exchange: exchange.at):
        is_old = [_is_of_old(reading, exchange) for reading in rest]
        old = is_old.index(False) if False in is_old else len(rest)
        stretches[-1] += [*rest[:old], Value(exchange.at, exchange.old_value)]
        stretches.append([Value(exchange.at, exchange.new_value)])
        rest = rest[old:]
    stretches[-1] += rest
    return stretches


def _is_of_old(reading: Value, exchange: Replacement) -> bool:
    if reading.at != exchange.at:
        return reading.at < exchange.at
    return reading.value == exchange.old_value or reading.value != exchange.new_value


def count_stretch(
    stretch: Sequence[Value], register: Register, *, height: Decimal | None = None
) -> list[Step]:
    """The steps of one meter. `height`: that of the first reading, where a fall came before it."""
    if not stretch:
        return []
    steps: list[Step] = []
    position, last = 0, len(stretch) - 1
    height = stretch[0].value if height is None else height
    while position < last:
        skipped = 0 if register.is_net else count_outliers(stretch, position, height)
        outliers = tuple(stretch[position + 1 : position + 1 + skipped])
        before, after = stretch[position], stretch[position + 1 + skipped]
        consumed, new_height, case = _count(height, after.value, register)
        if outliers:
            case = case or ("dip" if outliers[0].value < height else "spike")
        if case is None and _is_too_fast(consumed, after.at - before.at, register):
            case = "too_fast"
        steps.append(Step(before.at, after.at, consumed, new_height, case, outliers))
        height = new_height
        position += 1 + skipped
    return steps


def count_outliers(stretch: Sequence[Value], position: int, height: Decimal) -> int:
    """How many readings after a position leave its height and come back; as many as do together."""
    for outliers in range(min(MOST_OUTLIERS, len(stretch) - position - 2), 0, -1):
        back = position + outliers + 1
        after = stretch[back].value
        if not is_fall(height, after) and all(
            is_fall(height, between.value) or is_fall(between.value, after)
            for between in stretch[position + 1 : back]
        ):
            return outliers
    return 0


def is_fall(before: Decimal, after: Decimal) -> bool:
    """Whether a value is lower by more than noise."""
    return before - after > NOISE * abs(before)


def rolls_over(before: Decimal, after: Decimal, *, modulus: Decimal | None) -> bool:
    """Whether a fall leads from the upper tenth of a modulus to its lower tenth."""
    return (
        modulus is not None
        and UPPER_TENTH * modulus <= before < modulus
        and 0 <= after < LOWER_TENTH * modulus
    )


def _count(
    height: Decimal, value: Decimal, register: Register
) -> tuple[Decimal, Decimal, Case | None]:
    """What was counted from a height to a value, and the height after it."""
    modulus = register.modulus
    if value >= height or register.is_net:
        return value - height, value, None
    if not is_fall(height, value):
        return Decimal(0), height, None
    if modulus is not None and rolls_over(height, value, modulus=modulus):
        return modulus - height + value, value, None
    return max(value, Decimal(0)), value, "reset"


def _is_too_fast(consumed: Decimal, time: timedelta, register: Register) -> bool:
    if register.largest_rate is None or not time:
        return False
    return consumed > register.largest_rate * Decimal(time / HOUR)
