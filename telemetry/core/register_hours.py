"""What a register counted, by the UTC hours in which its steps end."""

from collections.abc import Iterable
from datetime import datetime
from decimal import Decimal
from itertools import pairwise

from msgspec import Struct

from telemetry.core.consumption import hour_of
from telemetry.core.registers import (
    Register,
    Replacement,
    Value,
    count_stretch,
    split_stretches,
)


class CountedHour(Struct):
    """What a register counted in an hour.

    `step` reaches into it from a reading before, from `step_from` to `step_to`; `within` was
    counted between its readings. `height`: what the register has reached at its end, and by which
    reading. `steps`: those that end in it. `has_fall`: a reading is below the one before.
    """

    height: Value
    within: Decimal = Decimal(0)
    step: Decimal = Decimal(0)
    step_from: datetime | None = None
    step_to: datetime | None = None
    steps: list[tuple[datetime, Decimal]] = []
    has_fall: bool = False

    def rises(self, first: Value, last: Value, *, before: Value | None) -> bool:
        """Whether its two ends and the last reading before it say all of this."""
        return (
            before is not None
            and not self.has_fall
            and (self.step, self.step_from, self.step_to)
            == (first.value - before.value, before.at, first.at)
            and self.within == last.value - first.value
            and self.height == last
        )


def count_hours(
    readings: list[Value],
    register: Register,
    exchanges: Iterable[Replacement],
    *,
    height: Value | None,
) -> dict[datetime, CountedHour]:
    """Hours with a reading or an exchange. `height`: what the register had reached before them."""
    stretches = split_stretches(readings, exchanges)
    if height is not None:
        stretches[0].insert(0, height)
    hours: dict[datetime, CountedHour] = {}
    for stretch in stretches:
        _count_stretch(stretch, register, hours)
    for before, after in pairwise(readings):
        if after.value < before.value:
            hours[hour_of(after.at)].has_fall = True
    return hours


def _count_stretch(
    stretch: list[Value], register: Register, hours: dict[datetime, CountedHour]
) -> None:
    if not stretch:
        return
    height = stretch[0]
    _reach(hours, height.at, height)
    for step in count_stretch(stretch, register):
        for skipped in step.skipped:
            _reach(hours, skipped.at, height)
        height = Value(step.at, step.height)
        hour = _reach(hours, step.at, height)
        hour.steps.append((step.at, step.consumed))
        if step.since is not None and hour_of(step.since) < hour_of(step.at):
            hour.step, hour.step_from, hour.step_to = step.consumed, step.since, step.at
        else:
            hour.within += step.consumed


def _reach(hours: dict[datetime, CountedHour], at: datetime, height: Value) -> CountedHour:
    hour = hours.setdefault(hour_of(at), CountedHour(height))
    hour.height = height
    return hour
