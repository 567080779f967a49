"""Statements, as pure functions: what a device consumed between two instants, by its meters, with
what their registers had reached at both ends.

Like an hour or a month, a statement holds the instants after its start, up to and including its
end. So two statements, one of which begins where the other ends, add up to that of both.
"""

from collections.abc import Iterable, Sequence
from datetime import datetime
from decimal import Decimal
from itertools import pairwise
from typing import Literal, TypeAlias

from msgspec import Struct

from telemetry.core.gaps import consume, consume_until, is_gap
from telemetry.core.installations import (
    Installation,
    Meter,
    Stretch,
    measure_stretch,
    split_stretches,
)
from telemetry.core.registers import EXACT, FOUR_DECIMALS, Step, Value

Source: TypeAlias = Literal["measured", "interpolated", "entered"]


class RegisterValue(Struct, frozen=True):
    """What a register had reached, before its factor. `measured`: by the reading of `at`, the last
    one that counts until then; `interpolated`: between two readings far apart; `entered`: with a
    change of meter."""

    value: Decimal
    at: datetime
    source: Source


class Part(Struct, frozen=True):
    """What a meter counted after `since`, up to and including `until`. `opening`, `closing`: of a
    register; None where it has no reading until then. Where it had none before `since`, the opening
    one is its first."""

    installation: Installation
    since: datetime
    until: datetime
    opening: RegisterValue | None
    closing: RegisterValue | None
    total: Decimal
    estimated: Decimal


def list_parts(
    readings: Iterable[Value],
    installations: Sequence[Installation],
    since: datetime,
    until: datetime,
    *,
    is_spread: bool = True,
) -> list[Part]:
    """The parts of a statement, in order. Levels have none."""
    series = sorted(set(readings), key=lambda reading: reading.at)
    stretches = split_stretches(series, installations)
    periods = list_periods(installations, since, until)
    return [
        _count_part(stretch, *periods[stretch.installation], is_spread=is_spread)
        for stretch in stretches
        if stretch.installation in periods
    ]


def list_periods(
    installations: Sequence[Installation], since: datetime, until: datetime
) -> dict[Installation, tuple[datetime, datetime]]:
    """From when until when each meter counts within a period; those that count nothing are left
    out."""
    periods = {}
    for one, after in pairwise([*installations, None]):
        assert one is not None
        begin = since if one.since is None else max(since, one.since)
        end = until if after is None or after.since is None else min(until, after.since)
        if begin < end and one.meter.measurement != "gauge":
            periods[one] = (begin, end)
    return periods


def _count_part(stretch: Stretch, since: datetime, until: datetime, *, is_spread: bool) -> Part:
    steps = measure_stretch(stretch, is_spread=is_spread)
    opening = closing = None
    if stretch.installation.meter.measurement == "cumulative":
        opening = find_register(stretch, steps, since)
        first = [reading for reading in stretch.readings[:1] if reading.at <= until]
        if opening is None and first:
            opening = RegisterValue(first[0].value, first[0].at, "measured")
        closing = find_register(stretch, steps, until)
    return Part(stretch.installation, since, until, opening, closing, *consume(steps, since, until))


def find_register(stretch: Stretch, steps: Sequence[Step], at: datetime) -> RegisterValue | None:
    """What a register had reached at an instant; None: it has no reading until then."""
    installation = stretch.installation
    if stretch.end is not None and stretch.end.at <= at:
        return RegisterValue(stretch.end.value, stretch.end.at, "entered")
    reached = [stretch.start, *stretch.readings[:1]]
    begin = next((value for value in reached if value is not None), None)
    if begin is None or begin.at > at:
        return None
    height = begin
    for step in steps:
        if step.at > at:
            if is_gap(step) and step.since is not None and step.since < at:
                return interpolate(height.value, step, at, meter=installation.meter)
            break
        height = Value(step.at, step.height)
    return RegisterValue(height.value, height.at, name_source(height.at, installation))


def interpolate(before: Decimal, step: Step, at: datetime, *, meter: Meter) -> RegisterValue:
    """What a register had reached within a gap that it entered with `before`."""
    share = EXACT.divide(consume_until(step, at), meter.factor)
    value = EXACT.quantize(before + share, FOUR_DECIMALS)
    if meter.modulus is not None:
        value %= meter.modulus
    return RegisterValue(value, at, "interpolated")


def name_source(at: datetime, installation: Installation) -> Source:
    """Where the value of a register that it had at an instant comes from."""
    return "entered" if at == installation.since else "measured"
