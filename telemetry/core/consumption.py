"""The rules of consumption as pure functions, which the SQL of aggregates follows.

Property tests compare the two. Nothing here depends on the order of arrival. Instants are
aware datetimes, values are `Decimal`, `now` is an argument.

A bucket (hour, local day, billing month) holds the instants after its start, up to and including
its end: a register read at the closing midnight closes the old month. What a register counts is in
`registers.py`; which meter a reading is of, in `installations.py`; times without readings are in
`gaps.py`.
"""

from calendar import monthrange
from collections.abc import Callable, Hashable, Iterable, Sequence
from datetime import date, datetime, timedelta
from decimal import Decimal
from itertools import groupby
from typing import TypeVar
from zoneinfo import ZoneInfo

from msgspec import Struct

from telemetry.core.gaps import RESOLUTION, consume, is_gap
from telemetry.core.installations import (
    Installation,
    Meter,
    expect_intervals,
    find_installation,
    measure_stretch,
    split_stretches,
)
from telemetry.core.registers import HOUR, Step, Value
from telemetry.core.zones import Zone, Zones

__all__ = ["Installation", "Meter", "Step", "Value"]

Key = TypeVar("Key", bound=Hashable)

HOUR_S = 3600
DAY = timedelta(days=1)


class BillingDays(Struct, frozen=True):
    """The day, 1 to 31, on which billing months begin; in a month without that day, its last.

    `earlier`: (until, billing day) in order: what applied before a date, on which a month begins.
    """

    day: int
    earlier: tuple[tuple[date, int], ...] = ()


class Totals(Struct, frozen=True):
    """The readings of an hour, a day or a month."""

    reading_sum: Decimal
    minimum: Decimal
    maximum: Decimal
    first: Decimal
    last: Decimal
    readings_count: int


class Consumption(Struct, frozen=True):
    """What a device consumed in an hour, a day or a month, and how much of it is estimated."""

    total: Decimal
    estimated: Decimal


def measure(
    readings: Iterable[Value], installations: Sequence[Installation], *, is_spread: bool = True
) -> list[Step]:
    """What was consumed from reading to reading, in the order of time. Not `is_spread`: a step over
    a time without readings belongs to its end."""
    series = sorted(set(readings), key=lambda reading: reading.at)
    return [
        step
        for stretch in split_stretches(series, installations)
        for step in measure_stretch(stretch, is_spread=is_spread)
    ]


def consume_by(
    steps: Iterable[Step],
    key: Callable[[datetime], Key],
    *,
    bounds: Callable[[Key], tuple[datetime, datetime]],
) -> dict[Key, Consumption]:
    """Consumption by a bucket. `key`: the bucket that counts an instant; `bounds`: where it begins
    and ends."""
    affected: dict[Key, list[Step]] = {}
    for step in steps:
        bucket = key(step.at)
        affected.setdefault(bucket, []).append(step)
        if step.since is None or not is_gap(step):
            continue
        while bounds(bucket)[0] > step.since:
            bucket = key(bounds(bucket)[0])
            affected.setdefault(bucket, []).append(step)
    return {
        bucket: Consumption(*consume(found, *bounds(bucket))) for bucket, found in affected.items()
    }


def sum_by(readings: Iterable[Value], key: Callable[[datetime], Key]) -> dict[Key, Totals]:
    """Totals of readings (time order) by a key of their instants."""
    return {
        group: _sum([reading.value for reading in found])
        for group, found in groupby(readings, key=lambda reading: key(reading.at))
    }


def _sum(values: list[Decimal]) -> Totals:
    return Totals(
        reading_sum=sum(values, Decimal(0)),
        minimum=min(values),
        maximum=max(values),
        first=values[0],
        last=values[-1],
        readings_count=len(values),
    )


def hour_of(at: datetime) -> datetime:
    """The start of the UTC hour that counts a reading at an instant (UTC)."""
    return (at - RESOLUTION).replace(minute=0, second=0, microsecond=0)


def counted_day(at: datetime, zone: Zone) -> date:
    """The local day that counts a reading at an instant: at midnight, the day that ends."""
    return day_of(at - RESOLUTION, zone)


def day_of(at: datetime, zone: Zone) -> date:
    """The local day by the clock: at midnight, the day that begins."""
    if isinstance(zone, Zones):
        return zone.day_of(at)
    return at.astimezone(zone).date()


def start_of(day: date, zone: Zone) -> datetime:
    """The first instant of a local day, in UTC, also where midnight comes twice or never."""
    if isinstance(zone, Zones):
        return zone.start_of(day)
    return datetime(day.year, day.month, day.day, tzinfo=zone).astimezone(ZoneInfo("UTC"))


def month_of(day: date, billing: "BillingDays | int") -> date:
    """The first day of the billing month that a day belongs to."""
    since, _, billing_day = _rule_of(day, billing)
    first = _begin_month(day, billing_day)
    if first > day:
        first = _begin_month(day.replace(day=1) - DAY, billing_day)
    return first if since is None else max(first, since)


def next_month(month: date, billing: "BillingDays | int") -> date:
    """The first day of the billing month after the one that begins on `month`."""
    _, until, billing_day = _rule_of(month, billing)
    first = _begin_month(month, billing_day)
    if first <= month:
        first = _begin_month(month.replace(day=28) + 4 * DAY, billing_day)
    return first if until is None else min(first, until)


def _begin_month(day: date, billing_day: int) -> date:
    """The day of a day's calendar month on which a billing month begins: its last, if it has no
    such day."""
    return day.replace(day=min(billing_day, monthrange(day.year, day.month)[1]))


def _rule_of(day: date, billing: "BillingDays | int") -> tuple[date | None, date | None, int]:
    """The billing day that applies on a day, from when and until when."""
    if isinstance(billing, int):
        return None, None, billing
    since = None
    for until, billing_day in billing.earlier:
        if day < until:
            return since, until, billing_day
        since = until
    return since, None, billing.day


def count_intervals(
    instants: Iterable[datetime], installations: Sequence[Installation], zone: Zone
) -> Decimal:
    """Intervals that readings of one local day cover: in each UTC hour, and in the day, at most as
    many as the meter has there, and never fewer than one. The ends of hours that two days share
    count as one."""
    counts: dict[datetime | None, int] = {}
    day: date | None = None
    for at in instants:
        hour = hour_of(at)
        day = counted_day(at, zone)
        is_whole = day_of(hour, zone) == counted_day(hour + HOUR, zone)
        key = hour if is_whole else None
        counts[key] = counts.get(key, 0) + 1
    if day is None:
        return Decimal(0)
    start, end = start_of(day, zone), start_of(day + DAY, zone)

    def most(hour: datetime | None) -> Decimal:
        span = (start, end) if hour is None else (hour, hour + HOUR)
        meter = find_installation(installations, *span).meter
        return max(Decimal(1), Decimal(HOUR_S) / Decimal(meter.interval_s or HOUR_S))

    seen = sum((min(Decimal(count), most(hour)) for hour, count in counts.items()), Decimal(0))
    return min(seen, max(Decimal(1), expect_intervals(installations, start, end)))


def count_days(month: date, end: date, zone: Zone, *, now: datetime) -> int:
    """Local days of a month, from its first day to before `end`, up to and including today; one at
    least."""
    end = min(end, day_of(now, zone) + DAY)
    return max(1, (end - month).days)


def cover(
    intervals_seen: Decimal,
    month: date,
    end: date,
    installations: Sequence[Installation],
    zone: Zone,
    *,
    now: datetime,
) -> Decimal | None:
    """The share, at most 1, of the intervals that a month [month, end) has had so far; None before
    it begins."""
    start, until = start_of(month, zone), min(now, start_of(end, zone))
    if until <= start:
        return None
    return min(Decimal(1), intervals_seen / expect_intervals(installations, start, until))
