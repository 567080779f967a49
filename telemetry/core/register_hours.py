"""What a device counted, by the UTC hours in which its steps end."""

from collections.abc import Sequence
from datetime import datetime
from decimal import Decimal
from itertools import pairwise

from msgspec import Struct

from telemetry.core.consumption import hour_of
from telemetry.core.gaps import is_gap
from telemetry.core.installations import (
    Installation,
    Meter,
    Stretch,
    measure_stretch,
    split_stretches,
)
from telemetry.core.registers import HOUR, Value, scale


class CountedHour(Struct):
    """What a device counted in an hour, at the end of which `meter` measures.

    `step` reaches into it from a reading before, from `step_from` to `step_to`; `within` was
    counted between its readings. `height`: what the register has reached at its end, and by which
    reading. `steps`: those that end in it. `is_uneven`: a reading is below the one before, or a
    meter was changed.
    """

    height: Value
    meter: Meter
    within: Decimal = Decimal(0)
    step: Decimal = Decimal(0)
    step_from: datetime | None = None
    step_to: datetime | None = None
    is_gap: bool = False
    steps: list[tuple[datetime, Decimal]] = []
    is_uneven: bool = False

    def rises(self, first: Value, last: Value, *, before: Value | None) -> bool:
        """Whether it is a register's, and its two ends and the last reading before it say all of
        this."""
        if before is None or self.is_uneven or self.meter.measurement != "cumulative":
            return False
        start, low, high = (
            scale(one.value, self.meter.factor) for one in (before, first, last)
        )  # fmt: skip
        return (
            (self.step, self.step_from, self.step_to) == (low - start, before.at, first.at)
            and self.within == high - low
            and self.height == last
        )


def count_hours(
    readings: list[Value],
    installations: Sequence[Installation],
    *,
    height: Value | None,
    is_spread: bool,
) -> dict[datetime, CountedHour]:
    """Hours with a counted reading or a change of the meter. `height`: what the device had reached
    before them."""
    hours: dict[datetime, CountedHour] = {}
    before_counts = False
    for number, stretch in enumerate(split_stretches(readings, installations, height=height)):
        counts = stretch.installation.meter.measurement != "gauge"
        if counts or before_counts:
            if stretch.start is not None:
                hour = hour_of(stretch.start.at)
                # A change at the very end of an hour of a gauge is not of that hour.
                if before_counts or not number or stretch.start.at < hour + HOUR or hour in hours:
                    _reach(hours, stretch.start, stretch.installation.meter).is_uneven |= number > 0
            _count_stretch(stretch, hours, is_spread=is_spread)
        before_counts = counts
    for before, after in pairwise(readings):
        if after.value < before.value and hour_of(after.at) in hours:
            hours[hour_of(after.at)].is_uneven = True
    return hours


def _count_stretch(
    stretch: Stretch, hours: dict[datetime, CountedHour], *, is_spread: bool
) -> None:
    meter = stretch.installation.meter
    height = stretch.start
    if height is None and meter.measurement == "cumulative" and stretch.readings:
        height = stretch.readings[0]
        _reach(hours, height, meter)
    for step in measure_stretch(stretch, is_spread=is_spread):
        for skipped in step.skipped:
            assert height is not None
            _reach(hours, height, meter, at=skipped.at)
        height = Value(step.at, step.height)
        hour = _reach(hours, height, meter)
        hour.steps.append((step.at, step.consumed))
        if step.since is None or hour_of(step.since) < hour_of(step.at):
            hour.step, hour.step_from, hour.step_to = step.consumed, step.since, step.at
            hour.is_gap = is_gap(step)
        else:
            hour.within += step.consumed


def _reach(
    hours: dict[datetime, CountedHour], height: Value, meter: Meter, *, at: datetime | None = None
) -> CountedHour:
    hour = hours.setdefault(hour_of(at or height.at), CountedHour(height, meter))
    hour.height, hour.meter = height, meter
    return hour
