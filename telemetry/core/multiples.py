"""Deltas that were counted twice or on another scale, as pure functions.

A device is compared with itself: with the same hour of the day in the days before and after. Six of
ten of those hours say what is usual. A reading that is far from usual, and usual when it is
divided by 2, 10, 100 or 1,000 (or multiplied), is a multiple: twice the same, a decimal point in
the wrong place, Wh for kWh. What a weekday has each week is usual for it.
"""

from bisect import bisect_left, bisect_right
from collections.abc import Sequence
from datetime import datetime, timedelta
from decimal import Decimal
from itertools import pairwise

from telemetry.core.findings import BASELINE, HOUR, Found, HourRow
from telemetry.core.registers import Value

LEAST_DAYS = 8
"""So many other days say what is usual at an hour, at the least."""
FAR = Decimal("1.4")  # times the largest that is usual
NEAR = Decimal("1.3")  # times the usual, at most, is usual as well
STEADY = Decimal("1.3")
"""Twice as much is told from the usual where the largest is at most so many times the least."""
WEEK = timedelta(days=7)
ALIKE = 2
"""Hours are compared whose numbers of readings differ by this factor at most."""
SCALES = (Decimal(10), Decimal(100), Decimal(1000))


def find_multiples(rows: Sequence[HourRow], *, baseline: timedelta = BASELINE) -> list[Found]:
    """Hours with a delta that is a multiple of what is usual. `rows` in order of time."""
    by_hour: dict[int, list[HourRow]] = {}
    for row in rows:
        by_hour.setdefault(row.hour.hour, []).append(row)
    found = []
    for same in by_hour.values():
        instants = [row.hour for row in same]
        for number, row in enumerate(same):
            first = bisect_left(instants, row.hour - baseline)
            after = bisect_right(instants, row.hour + baseline)
            around = same[first:number] + same[number + 1 : after]
            others = [other for other in around if _is_alike(row, other)]
            if len(others) >= LEAST_DAYS and (one := _compare(row, others)) is not None:
                found.append(one)
    return sorted(found, key=lambda one: one.since)


def _is_alike(row: HourRow, other: HourRow) -> bool:
    """Whether the device sent about as often: deltas of a minute are no multiples of those of an
    hour."""
    least, most = sorted((row.readings_count, other.readings_count))
    return most <= ALIKE * least


def _compare(row: HourRow, others: Sequence[HourRow]) -> Found | None:
    maxima = sorted(other.maximum for other in others)
    least, most = _usual(maxima)
    of_weekday = [other for other in others if abs(other.hour - row.hour) == WEEK]
    if least > 0 and row.maximum > FAR * most:
        of_same = [other.maximum for other in of_weekday]
        for factor in (Decimal(2), *SCALES) if _is_steady(maxima) else SCALES:
            if (
                least <= NEAR * row.maximum / factor
                and row.maximum / factor <= NEAR * most
                and not _is_of_weekday(row.maximum, of_same, factor=factor)
            ):
                return _make(row, row.maximum, times=factor, usual=(least, most))
    least, most = _usual(sorted(other.minimum for other in others))
    if least > 0 and 0 < FAR * row.minimum < least:
        of_same = [other.minimum for other in of_weekday]
        for factor in SCALES:
            if (
                least <= NEAR * row.minimum * factor
                and row.minimum * factor <= NEAR * most
                and not _is_of_weekday(row.minimum, of_same, factor=factor)
            ):
                return _make(row, row.minimum, times=1 / factor, usual=(least, most))
    return None


def _is_of_weekday(value: Decimal, of_weekday: Sequence[Decimal], *, factor: Decimal) -> bool:
    """Whether it is nearer to what the weekday had a week before or after than to a multiple of
    that: a Sunday may have a tenth of what a working day has."""
    return any(
        other > 0 and max(value, other) ** 2 < factor * min(value, other) ** 2
        for other in of_weekday
    )


def _usual(values: Sequence[Decimal]) -> tuple[Decimal, Decimal]:
    """Between which values six of ten lie: the others may be wrong, one after the other."""
    left_out = max(1, len(values) // 5)
    return values[left_out], values[-1 - left_out]


def _is_steady(values: Sequence[Decimal]) -> bool:
    """Whether eight of ten values are nearly the same."""
    left_out = max(1, len(values) // 10)
    return values[-1 - left_out] <= STEADY * values[left_out]


def _make(row: HourRow, value: Decimal, *, times: Decimal, usual: tuple[Decimal, Decimal]) -> Found:
    evidence = {
        "value": str(value),
        "times": format(times.normalize(), "f"),
        "usual_from": str(usual[0]),
        "usual_to": str(usual[1]),
    }
    return Found("double" if times == 2 else "scale", row.hour, row.end, evidence)


def list_crowded_hours(rows: Sequence[HourRow], *, interval_s: int | None) -> list[datetime]:
    """Hours with more readings than the interval has, or too soon after the hour before; none where
    the interval is not known. `rows` in order of time."""
    if interval_s is None:
        return []
    interval = timedelta(seconds=interval_s)
    most = max(1, HOUR // interval)
    return [
        row.hour
        for before, row in pairwise([None, *rows])
        if row is not None
        and (row.readings_count > most or (before and row.hour - before.hour < interval / 2 + HOUR))
    ]


def find_repeated(readings: Sequence[Value], *, interval_s: int) -> list[Found]:
    """A delta that came again with another stamp, within half an interval. In order of time."""
    return [
        Found(
            "double",
            before.at,
            after.at,
            {
                "value": str(after.value),
                "first": after.at.isoformat(),
                "last_at": after.at.isoformat(),
            },
        )
        for before, after in pairwise(readings)
        if before.value == after.value != 0
        and after.at - before.at < timedelta(seconds=interval_s) / 2
    ]
