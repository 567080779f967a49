"""The rules of findings: what of a device's readings somebody should look at.

Pure functions of what is stored. The rules of registers are those of the module that counts them.
"""

from bisect import bisect_left
from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from decimal import Decimal
from itertools import groupby, pairwise

from msgspec import Struct

from telemetry.core.registers import Step, Value, rolls_over

HOUR = timedelta(hours=1)
DAY = timedelta(days=1)
BLOCKING = ("reset", "too_fast", "negative")
"""Rules whose findings are decided before a month is closed."""
LEAST_SILENCE = 2 * HOUR
GAP_INTERVALS = 2
"""A device is silent when it has sent nothing for longer than this many of its intervals."""
LEAST_STANDING = DAY
STANDING_ROWS = 4
"""Hours with readings that show a register standing, at the least."""
LEAST_HISTORY = 24
RATE_FACTOR = 10
LATE = HOUR
"""A reading that came longer after its stamp than this was not sent at once."""
ISOLATED = 31 * DAY
"""A stamp this far from every other one of the device is of a wrong clock."""
BASELINE = 8 * DAY
BASELINE_INTERVALS = 64


class Found(Struct, frozen=True):
    """A finding of a device. `until` is None while it goes on."""

    rule: str
    since: datetime
    until: datetime | None
    evidence: dict[str, str]


class Plausible(Struct, frozen=True):
    """What is plausible of a meter after `since`; None: of the first one. `largest_rate`: units an
    hour; None: as its history says. `is_net`: also less than nothing."""

    since: datetime | None
    largest_rate: Decimal | None = None
    is_net: bool = False


ANYTHING = Plausible(None)


class HourRow(Struct, frozen=True):
    """A device's readings in the UTC hour that begins at `hour`, and what was consumed in it.
    `first_at`, `last_at`: None where they are not known, as of gauges."""

    hour: datetime
    minimum: Decimal
    maximum: Decimal
    last: Decimal
    readings_count: int
    consumed: Decimal | None = None
    first_at: datetime | None = None
    last_at: datetime | None = None

    @property
    def end(self) -> datetime:
        """The last instant of the hour."""
        return self.hour + HOUR


class LateReading(Struct, frozen=True):
    """A reading that came more than an hour after its stamp. `before`, `after`: the nearest
    readings that came in time; None where there is none within 31 days."""

    at: datetime
    value: Decimal
    received_at: datetime
    before: datetime | None
    after: datetime | None


def silence_limit(*, interval_s: int | None, readings_count: int, span: timedelta) -> timedelta:
    """For how long a device may send nothing.

    Twice its interval, and two hours at the least. Where the interval is not known, it is what
    `readings_count` readings in `span` come to.
    """
    if interval_s is not None:
        usual = timedelta(seconds=interval_s)
    else:
        usual = span / readings_count if readings_count else timedelta()
    return max(LEAST_SILENCE, GAP_INTERVALS * usual)


def find_silences(
    rows: Sequence[HourRow], *, interval_s: int | None, now: datetime | None
) -> list[Found]:
    """Times without readings, in whole hours. `rows` in order of time. `now`: the device is active,
    and nothing came after the last row; None: it may have."""
    if not rows:
        return []
    count = sum(row.readings_count for row in rows)
    limit = silence_limit(
        interval_s=interval_s, readings_count=count, span=rows[-1].end - rows[0].hour
    )
    found = [
        Found("silent", before.end, after.hour, {"last": str(before.last)})
        for before, after in pairwise(rows)
        if _is_silent(before, after, limit=limit, interval_s=interval_s)
    ]
    if now is not None and now - rows[-1].end > limit:
        found.append(Found("silent", rows[-1].end, None, {"last": str(rows[-1].last)}))
    return found


def _is_silent(
    before: HourRow, after: HourRow, *, limit: timedelta, interval_s: int | None
) -> bool:
    """Whether more than the limit lies between two hours with readings. Half an interval more is
    allowed to the last and first reading, as these are never to the second."""
    if interval_s is None or before.last_at is None or after.first_at is None:
        return after.hour - before.end > limit
    return after.first_at - before.last_at > limit + timedelta(seconds=interval_s) / 2


def find_standstills(rows: Sequence[HourRow], *, is_register: bool) -> list[Found]:
    """Where a register stood for a day and longer, or a delta was 0, although it had counted
    before, and had never stood for as long as half of that. Candidates: whether neighbours counted
    meanwhile is not known here. `rows` in order of time."""
    found: list[Found] = []
    longest = timedelta()
    runs = groupby(rows, key=lambda row: _standing_value(row, is_register=is_register))
    for number, (value, group) in enumerate(runs):
        run = list(group)
        length = run[-1].end - run[0].hour
        is_long = len(run) >= STANDING_ROWS and length >= max(LEAST_STANDING, 2 * longest)
        if value is None:
            continue
        if number and is_long:
            until = None if run[-1] is rows[-1] else run[-1].end
            evidence = {"value": str(value), "hours": str(int(length / HOUR))}
            found.append(Found("stuck", run[0].hour, until, evidence))
        longest = max(longest, length)
    return found


def _standing_value(row: HourRow, *, is_register: bool) -> Decimal | None:
    """The value of an hour in which nothing was counted; None for others."""
    if row.minimum != row.maximum or (not is_register and row.maximum != 0):
        return None
    return row.maximum


def find_baseline(interval_s: int | None) -> timedelta:
    """The time before and after in which a device shows what is usual for it."""
    return max(BASELINE, BASELINE_INTERVALS * timedelta(seconds=interval_s or 0))


def propose_rate(rows: Iterable[HourRow]) -> Decimal | None:
    """The largest plausible consumption of an hour, from a device's history."""
    return propose_rate_of(row.consumed for row in rows if row.consumed is not None)


def propose_rate_of(hours: Iterable[Decimal]) -> Decimal | None:
    """The same from what was consumed in hours: ten times what nine of ten hours with consumption
    stay below. None: too little history."""
    consumed = sorted(hour for hour in hours if hour > 0)
    if len(consumed) < LEAST_HISTORY:
        return None
    return RATE_FACTOR * consumed[len(consumed) * 9 // 10]


def find_plausible(meters: Sequence[Plausible], row: HourRow) -> Plausible:
    """What is plausible in an hour, by the last meter in it. `meters` in order of time."""
    begun = [one for one in meters if one.since is None or one.since < row.end]
    return begun[-1] if begun else ANYTHING


def find_too_fast(
    rows: Sequence[HourRow],
    *,
    meters: Sequence[Plausible] = (),
    baseline: timedelta = BASELINE,
) -> list[Found]:
    """Hours in which more was consumed than is plausible since the hour before that has readings:
    than the meter's largest rate, or than the rows around the day propose. `rows`, `meters` in
    order of time."""
    instants = [row.hour for row in rows]
    found = []
    usual, usual_of = None, None
    for number, row in enumerate(rows):
        day = _day_of(row.hour)
        rate = find_plausible(meters, row).largest_rate
        if rate is None and day != usual_of:
            first = bisect_left(instants, day - baseline)
            usual = propose_rate(rows[first : bisect_left(instants, day + DAY + baseline)])
            usual_of = day
        rate = usual if rate is None else rate
        if rate is None:
            continue
        elapsed = row.end - rows[number - 1].end if number else HOUR
        plausible = rate * Decimal(elapsed // HOUR)
        if row.consumed is not None and row.consumed > plausible:
            evidence = {"consumed": str(row.consumed), "plausible": str(plausible)}
            found.append(Found("too_fast", row.hour, row.end, evidence))
    return found


def find_cases(readings: Sequence[Value], steps: Iterable[Step]) -> list[Found]:
    """Dips, spikes and resets of a register, from the steps that were counted between readings."""
    values = {reading.at: reading.value for reading in readings}
    found = []
    for step in steps:
        if step.case not in ("dip", "spike", "reset"):
            continue
        seen = [reading.at for reading in step.skipped] or [step.at]
        evidence = {
            "before": str(values.get(step.since, "") if step.since else ""),
            "value": str(values.get(seen[0], step.height)),
            "after": str(values.get(step.at, step.height)),
            "consumed": str(step.consumed),
            "first": seen[0].isoformat(),
            "last_at": seen[-1].isoformat(),
        }
        if step.case == "reset" and step.since in values:
            modulus = propose_modulus(values[step.since], step.height)
            evidence |= {} if modulus is None else {"modulus": str(modulus)}
        found.append(Found(step.case, seen[0], seen[-1], evidence))
    return found


def propose_modulus(before: Decimal, after: Decimal) -> Decimal | None:
    """The modulus with which a fall would be a rollover: a power of ten, or of two as counters of
    16 and 32 bits have it. None: it was none."""
    for modulus in (Decimal(10) ** before.adjusted() * 10, Decimal(2**16), Decimal(2**32)):
        if rolls_over(before, after, modulus=modulus):
            return modulus
    return None


def find_negative(rows: Iterable[HourRow], *, meters: Sequence[Plausible] = ()) -> list[Found]:
    """Deltas below zero, day by day (UTC), where the meter is no net one."""
    found = []
    rows = (row for row in rows if not find_plausible(meters, row).is_net)
    for day, group in groupby(rows, key=lambda row: _day_of(row.hour)):
        least = min(row.minimum for row in group)
        if least < 0:
            found.append(Found("negative", day, day + DAY, {"least": str(least)}))
    return found


def find_late(readings: Iterable[LateReading], *, usual: timedelta) -> list[Found]:
    """Readings that came late, day by day (UTC): of an old clock where the device had sent at that
    time already, or never within 31 days; late ones elsewhere. `usual`: between two readings."""
    by_day: dict[tuple[str, datetime], list[LateReading]] = {}
    for reading in readings:
        rule = "old_clock" if _is_of_old_clock(reading, usual) else "late"
        by_day.setdefault((rule, _day_of(reading.at)), []).append(reading)
    return [
        Found(
            rule,
            day,
            day + DAY,
            {
                "readings": str(len(of)),
                "first": of[0].at.isoformat(),
                "last_at": of[-1].at.isoformat(),
                "received": max(one.received_at for one in of).isoformat(),
            },
        )
        for (rule, day), of in sorted(by_day.items(), key=lambda item: (item[0][1], item[0][0]))
    ]


def _is_of_old_clock(reading: LateReading, usual: timedelta) -> bool:
    before, after = reading.before, reading.after
    if before is None and after is None:
        return True
    if before is None or after is None:
        return False
    # Readings that came in time lie as close around it as they always do: nothing was missing.
    return after - before <= usual * 3 / 2


def _day_of(at: datetime) -> datetime:
    return at.replace(hour=0, minute=0, second=0, microsecond=0)
