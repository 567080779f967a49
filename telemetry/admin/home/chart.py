"""The last 24 hours: messages as an area, dead letters as bars in a scale of their own."""

from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Any

from django.utils import timezone
from msgspec import Struct

from telemetry.models import LedgerQuarter

QUARTER = timedelta(minutes=15)
BARS = 96
WIDTH = 960
AREA, BAR_AREA = 160, 60
"""Heights in the chart's own coordinates."""
GAP = 2
LABEL_EVERY = 16


class Hour(Struct, frozen=True):
    """A row of the table that says the same."""

    start: datetime
    messages: int
    dead_letters: int


class Chart(Struct, frozen=True):
    """Lines and bars in the chart's coordinates; labels with their position in percent."""

    line: str
    bars: list[tuple[int, str, str]]
    most: int
    half: int
    most_dead: int
    labels: list[tuple[str, str]]
    hours: list[Hour]
    messages: int
    dead_letters: int
    width: int = WIDTH
    area: int = AREA
    bar_area: int = BAR_AREA
    bar_width: int = WIDTH // BARS - GAP


def make_chart(quarters: Iterable[LedgerQuarter], *, now: datetime) -> Chart:
    """The chart. A quarter without a row had no messages."""
    by_start = {quarter.start: quarter for quarter in quarters}
    newest = now - timedelta(
        minutes=now.minute % 15, seconds=now.second, microseconds=now.microsecond
    )
    starts = [newest - QUARTER * (BARS - 1 - number) for number in range(BARS)]
    messages = [_count(by_start.get(start), "messages") for start in starts]
    dead = [_count(by_start.get(start), "dead_letters") for start in starts]
    elapsed_min = max(1.0, (now - newest).total_seconds() / 60)
    rates = [count / 15 for count in messages[:-1]] + [messages[-1] / elapsed_min]
    most, most_dead = round_up(max(rates)), round_up(max(dead))
    step = WIDTH / BARS
    points = [
        f"{step * (number + 0.5):.1f} {AREA - AREA * rate / most:.1f}"
        for number, rate in enumerate(rates)
    ]
    bars = [
        (round(step * number) + GAP // 2, f"{BAR_AREA - height:.1f}", f"{height:.1f}")
        for number, height in enumerate(BAR_AREA * count / most_dead for count in dead)
    ]
    labels = [
        (f"{100 * (number + 0.5) / BARS:.2f}", f"{timezone.localtime(start):%H:%M}")
        for number, start in enumerate(starts)
        if (int(start.timestamp()) // 900) % LABEL_EVERY == 0
    ]
    return Chart(
        line="L".join(points), bars=bars, most=most, half=most // 2, most_dead=most_dead,
        labels=labels, hours=_sum_hours(starts, messages, dead), messages=sum(messages),
        dead_letters=sum(dead),
    )  # fmt: skip


def round_up(value: float) -> int:
    """The next 2, 4 or 10 times a power of ten, so that half of it is a whole number, too."""
    power = 1
    while True:
        for factor in (2, 4, 10):
            if value <= factor * power:
                return factor * power
        power *= 10


def _count(quarter: Any, name: str) -> int:
    return int(getattr(quarter, name)) if quarter is not None else 0


def _sum_hours(starts: list[datetime], messages: list[int], dead: list[int]) -> list[Hour]:
    sums: dict[datetime, list[int]] = {}
    for start, count, dead_count in zip(starts, messages, dead, strict=True):
        hour = sums.setdefault(start.replace(minute=0), [0, 0])
        hour[0] += count
        hour[1] += dead_count
    return [Hour(start, *counts) for start, counts in reversed(sums.items())]
