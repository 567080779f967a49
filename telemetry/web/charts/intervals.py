"""How often a device sends, and where it was silent: by its interval, or by what its readings show.
Pure."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from itertools import pairwise
from statistics import median_low

SILENT_INTERVALS = 2
"""Single readings that are more intervals apart have a gap between them."""
LEAST_APART = timedelta(minutes=2)
AROUND = 3
"""So many distances before and after one say what is usual there."""
UNKNOWN = timedelta(hours=1)
ROUND = (1, 2, 5, 10, 15, 20, 30, 60, 120, 300, 600, 900, 1_200, 1_800, 3_600, 7_200, 86_400)
"""Intervals that devices are set to, in seconds."""
NEAR = 0.1
LEAST_SEEN = 3


def find_silences(times: Sequence[datetime], *, interval_s: int | None) -> list[bool]:
    """Whether the device was silent between each reading and the next one.

    Where its interval is not known, it is what the readings around come to: before or after,
    whichever is longer, as a device may begin to send more often.
    """
    distances = [later - earlier for earlier, later in pairwise(times)]
    if interval_s is not None:
        apart = max(SILENT_INTERVALS * timedelta(seconds=interval_s), LEAST_APART)
        return [distance > apart for distance in distances]
    return [
        distance > max(SILENT_INTERVALS * _find_usual(distances, number), LEAST_APART)
        for number, distance in enumerate(distances)
    ]


def _find_usual(distances: Sequence[timedelta], number: int) -> timedelta:
    before = distances[max(0, number - AROUND) : number]
    after = distances[number + 1 : number + 1 + AROUND]
    return max((median_low(side) for side in (before, after) if side), default=UNKNOWN)


def infer_interval(times: Sequence[datetime]) -> int | None:
    """Seconds between readings (in order of time) as a device is set, from what it sent; None where
    that cannot be told."""
    distances = [later - earlier for earlier, later in pairwise(times)]
    if len(distances) < LEAST_SEEN:
        return None
    seconds = median_low(distances).total_seconds()
    near = (one for one in ROUND if abs(seconds - one) <= NEAR * one)
    return next(near, round(seconds) or None)
