"""The rules of consumption as pure functions, which the SQL of aggregates follows.

Property tests compare the two. Nothing here depends on the order of arrival. Instants are
aware datetimes, values are `Decimal`, `now` is an argument.

A bucket (hour, local day, billing month) holds the instants after its start, up to and including
its end: a register read at the closing midnight closes the old month.
"""

from calendar import monthrange
from collections.abc import Callable, Hashable, Iterable
from datetime import date, datetime, timedelta
from decimal import Decimal
from itertools import groupby
from typing import TypeVar
from zoneinfo import ZoneInfo

from msgspec import Struct

from telemetry.core.measurement import Measurement

Key = TypeVar("Key", bound=Hashable)

HOUR_S = 3600
DAY = timedelta(days=1)
RESOLUTION = timedelta(microseconds=1)
DIP = Decimal("0.9")
"""Home Assistant, sensor/recorder.py, reset_detected: a fall below this share is a new cycle."""


class Meter(Struct, frozen=True):
    """How a device measures. `modulus`: its register counts from 0 to below it."""

    measurement: Measurement
    modulus: Decimal | None = None
    interval_s: int | None = None


class BillingDays(Struct, frozen=True):
    """The day, 1 to 31, on which billing months begin; in a month without that day, its last.

    `earlier`: (until, billing day) in order: what applied before a date, on which a month begins.
    """

    day: int
    earlier: tuple[tuple[date, int], ...] = ()


class Value(Struct, frozen=True):
    """A reading."""

    at: datetime
    value: Decimal


class Replacement(Struct, frozen=True):
    """The register was exchanged at an instant. A reading at the same instant is of the new one."""

    at: datetime
    old_value: Decimal
    new_value: Decimal


class Step(Struct, frozen=True):
    """A reading with what was consumed up to it since the one before; None for gauges."""

    at: datetime
    value: Decimal
    consumed: Decimal | None


class Totals(Struct, frozen=True):
    """Values of an hour, a day or a month. `total` is None for gauges."""

    total: Decimal | None
    reading_sum: Decimal
    minimum: Decimal
    maximum: Decimal
    first: Decimal
    last: Decimal
    readings_count: int


def increment(
    before: Value | None,
    after: Value,
    *,
    modulus: Decimal | None,
    replacements: Iterable[Replacement],
) -> Decimal:
    """What a register counted between two readings; 0 for the first reading ever."""
    if before is None:
        return Decimal(0)
    between = [one for one in replacements if before.at < one.at <= after.at]
    if between:
        counted, register = Decimal(0), before.value
        for one in sorted(between, key=lambda one: one.at):
            counted += one.old_value - register
            register = one.new_value
        return counted + after.value - register
    if after.value >= before.value or after.value >= DIP * before.value:
        return after.value - before.value
    return after.value if modulus is None else modulus - before.value + after.value


def measure(
    readings: Iterable[Value], meter: Meter, *, replacements: Iterable[Replacement] = ()
) -> list[Step]:
    """Every reading once, in time order, with its consumption."""
    changes = list(replacements)
    steps: list[Step] = []
    before: Value | None = None
    for reading in sorted(set(readings), key=lambda reading: reading.at):
        consumed: Decimal | None = None
        if meter.measurement == "delta":
            consumed = reading.value
        elif meter.measurement == "cumulative":
            consumed = increment(before, reading, modulus=meter.modulus, replacements=changes)
        steps.append(Step(reading.at, reading.value, consumed))
        before = reading
    return steps


def sum_by(steps: Iterable[Step], key: Callable[[datetime], Key]) -> dict[Key, Totals]:
    """Totals of consecutive steps (time order) by a key of their instants."""
    return {
        group: _sum(list(found)) for group, found in groupby(steps, key=lambda step: key(step.at))
    }


def _sum(steps: list[Step]) -> Totals:
    values = [step.value for step in steps]
    consumed = [step.consumed for step in steps if step.consumed is not None]
    return Totals(
        total=sum(consumed, Decimal(0)) if consumed else None,
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


def counted_day(at: datetime, zone: ZoneInfo) -> date:
    """The local day that counts a reading at an instant: at midnight, the day that ends."""
    return day_of(at - RESOLUTION, zone)


def day_of(at: datetime, zone: ZoneInfo) -> date:
    """The local day by the clock: at midnight, the day that begins."""
    return at.astimezone(zone).date()


def start_of(day: date, zone: ZoneInfo) -> datetime:
    """The first instant of a local day, in UTC, also where midnight comes twice or never."""
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


def count_intervals(instants: Iterable[datetime], meter: Meter, zone: ZoneInfo) -> Decimal:
    """Intervals that readings of one local day cover: in each UTC hour at most as many as the meter
    has in an hour, and never fewer than one. The ends of hours that two days share count as one."""
    most = max(Decimal(1), Decimal(HOUR_S) / Decimal(meter.interval_s or HOUR_S))
    counts: dict[datetime | None, int] = {}
    for at in instants:
        hour = hour_of(at)
        is_whole = day_of(hour, zone) == counted_day(hour + timedelta(hours=1), zone)
        key = hour if is_whole else None
        counts[key] = counts.get(key, 0) + 1
    return sum((min(Decimal(count), most) for count in counts.values()), Decimal(0))


def count_days(month: date, end: date, zone: ZoneInfo, *, now: datetime) -> int:
    """Local days of a month, from its first day to before `end`, up to and including today; one at
    least."""
    end = min(end, day_of(now, zone) + DAY)
    return max(1, (end - month).days)


def cover(
    intervals_seen: Decimal, month: date, end: date, meter: Meter, zone: ZoneInfo, *, now: datetime
) -> Decimal | None:
    """The share, at most 1, of the intervals that a month [month, end) has had so far; None before
    it begins."""
    elapsed = min(now, start_of(end, zone)) - start_of(month, zone)
    if elapsed <= timedelta(0):
        return None
    expected = Decimal(elapsed / timedelta(seconds=1)) / Decimal(meter.interval_s or HOUR_S)
    return min(Decimal(1), intervals_seen / expected)
