"""The meters at a device: each from an instant on until the next one, each with its own settings.

A change of meter, or of how it measures, begins an installation. What each counts is counted by
itself, by its own settings, never by those of today. A change of a register is a reading of both:
of the old one, its last, and of the new one, its first. A reading at the very instant is of the
register that it equals, else of the old one.
"""

from collections.abc import Iterable, Sequence
from datetime import datetime
from decimal import Decimal

from msgspec import Struct
from msgspec.structs import replace

from telemetry.core.gaps import find_limit
from telemetry.core.measurement import Measurement
from telemetry.core.registers import ONE, Register, Step, Value, count_stretch, scale


class Meter(Struct, frozen=True):
    """How a meter measures. `modulus`: its register counts from 0 to below it; `factor`: what its
    values are multiplied by, as behind a transformer; `is_net`: it counts backwards, too, when
    energy is fed in; `largest_rate`: units an hour that are plausible, with the factor."""

    measurement: Measurement
    modulus: Decimal | None = None
    interval_s: int | None = None
    factor: Decimal = ONE
    is_net: bool = False
    largest_rate: Decimal | None = None


class Installation(Struct, frozen=True):
    """A meter after `since`; None: the first one. `old_register`: what the one before had at that
    instant; `first_register`: what this one had. Either is None where the meter has none."""

    meter: Meter
    since: datetime | None = None
    old_register: Decimal | None = None
    first_register: Decimal | None = None

    @property
    def start(self) -> Value | None:
        """What it begins with."""
        if self.since is None:
            return None
        return Value(self.since, self.first_register or Decimal(0))


class Stretch(Struct):
    """The readings of an installation, from what it begins with to what it ends with."""

    installation: Installation
    start: Value | None
    readings: list[Value] = []
    end: Value | None = None


def split_stretches(
    readings: Iterable[Value],
    installations: Sequence[Installation],
    *,
    height: Value | None = None,
) -> list[Stretch]:
    """The readings (in the order of time) of each installation (likewise). `height`: what the
    device had reached before them; installations that ended before it are left out."""
    rest = list(readings)
    begun = [
        one
        for one in installations
        if one.since is None or (height is not None and one.since <= height.at)
    ]
    stretches = [Stretch(begun[-1], height)]
    for installation in installations[len(begun) :]:
        is_old = [_is_of_old(reading, installation) for reading in rest]
        count = is_old.index(False) if False in is_old else len(rest)
        stretches[-1].readings, rest = rest[:count], rest[count:]
        if installation.since is not None and installation.old_register is not None:
            stretches[-1].end = Value(installation.since, installation.old_register)
        stretches.append(Stretch(installation, installation.start))
    stretches[-1].readings = rest
    return stretches


def _is_of_old(reading: Value, new: Installation) -> bool:
    if new.since is None or reading.at != new.since:
        return new.since is not None and reading.at < new.since
    return reading.value == new.old_register or reading.value != new.first_register


def measure_stretch(stretch: Stretch, *, is_spread: bool = True) -> list[Step]:
    """What a meter consumed from reading to reading; a gauge nothing. `is_spread`: steps that are
    too long are spread over the time that they cover."""
    meter = stretch.installation.meter
    if meter.measurement == "gauge":
        return []
    if meter.measurement == "cumulative":
        points = [stretch.start, *stretch.readings, stretch.end]
        steps = count_stretch(
            [point for point in points if point is not None],
            Register(meter.modulus, meter.factor, meter.is_net, meter.largest_rate),
        )
    else:
        start = None if stretch.start is None else stretch.start.at
        before = [start, *(reading.at for reading in stretch.readings)]
        steps = [
            Step(since, reading.at, scale(reading.value, meter.factor), reading.value)
            for since, reading in zip(before, stretch.readings, strict=False)
        ]
    longest = find_limit(meter.interval_s) if is_spread else None
    return [replace(step, longest=longest) for step in steps]


def find_installation(
    installations: Sequence[Installation], start: datetime, end: datetime
) -> Installation:
    """The installation by which the time after `start`, up to `end`, is measured: the last one in
    it that counts, or else the last one."""
    found = [
        one
        for one, after in zip(installations, [*installations[1:], None], strict=True)
        if (one.since is None or one.since < end)
        and (after is None or after.since is None or after.since > start)
    ]
    return [*(one for one in found if one.meter.measurement == "gauge"),
            *(one for one in found if one.meter.measurement != "gauge")][-1]  # fmt: skip


def expect_intervals(
    installations: Sequence[Installation], start: datetime, end: datetime
) -> Decimal:
    """How many intervals there are from `start` to `end`; one an hour where that is unknown."""
    expected = Decimal(0)
    for one, after in zip(installations, [*installations[1:], None], strict=True):
        since = start if one.since is None else max(start, one.since)
        until = end if after is None or after.since is None else min(end, after.since)
        if since < until:
            length_s = Decimal((until - since).total_seconds())
            expected += length_s / Decimal(one.meter.interval_s or 3_600)
    return expected
