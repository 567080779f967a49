"""What a register counted, as a pure function: rollovers, dips, spikes, resets, exchanges.

Between two readings of one register, `before` and `after`:

- `after` is not below `before`: the difference.
- A fall of at most 1% is noise: nothing is counted, and nothing again until the height before the
  fall is reached.
- Up to three readings that leave the readings around them, downwards or upwards by more than 1%,
  and come back: they are skipped (a dip, a spike).
- From the upper tenth of a modulus to its lower tenth: the register rolled over.
- Any other fall: the register began again at zero (a reset, which someone has to decide).

A reading is multiplied by the factor of its meter and rounded to four decimals before it is
counted, so that parts add up. Each meter of a device is counted by itself (`installations.py`).
"""

from collections.abc import Sequence
from datetime import datetime, timedelta
from decimal import ROUND_HALF_UP, Context, Decimal
from typing import Literal, TypeAlias

from msgspec import Struct

NOISE = Decimal("0.01")  # of the height: a fall of at most this is none
MOST_OUTLIERS = 3
UPPER_TENTH, LOWER_TENTH = Decimal("0.9"), Decimal("0.1")
HOUR = timedelta(hours=1)
ONE = Decimal(1)
FOUR_DECIMALS = Decimal("0.0001")
EXACT = Context(prec=60, rounding=ROUND_HALF_UP)

Case: TypeAlias = Literal["dip", "spike", "reset", "too_fast"]


class Value(Struct, frozen=True):
    """A reading."""

    at: datetime
    value: Decimal


class Register(Struct, frozen=True):
    """How a register counts: from 0 to below `modulus` (None: for ever), in units of `factor`.
    `is_net`: also backwards, when energy is fed in. `largest_rate`: units an hour that are
    plausible."""

    modulus: Decimal | None = None
    factor: Decimal = ONE
    is_net: bool = False
    largest_rate: Decimal | None = None


class Step(Struct, frozen=True):
    """What was consumed after `since`, up to and including `at`; None: the first reading ever.

    `height` is what the register has reached, and goes on from. `skipped`: the readings that a dip
    or a spike consists of. `case`: what someone should look at. `longest`: a longer step is spread
    over its time; None: no step is.
    """

    since: datetime | None
    at: datetime
    consumed: Decimal
    height: Decimal
    case: Case | None = None
    skipped: tuple[Value, ...] = ()
    longest: timedelta | None = None


def scale(value: Decimal, factor: Decimal) -> Decimal:
    """A value times a factor, to four decimals."""
    if factor == 1:
        return value
    return EXACT.quantize(EXACT.multiply(value, factor), FOUR_DECIMALS)


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
    modulus, factor = register.modulus, register.factor
    if value >= height or register.is_net:
        return scale(value, factor) - scale(height, factor), value, None
    if not is_fall(height, value):
        return Decimal(0), height, None
    if modulus is not None and rolls_over(height, value, modulus=modulus):
        full = scale(modulus, factor) - scale(height, factor)
        return full + scale(value, factor), value, None
    return max(scale(value, factor), Decimal(0)), value, "reset"


def _is_too_fast(consumed: Decimal, time: timedelta, register: Register) -> bool:
    if register.largest_rate is None or not time:
        return False
    return consumed > register.largest_rate * Decimal(time / HOUR)
