"""Where a time axis has its marks: at round times of the account's clock. Pure."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

from django.utils.formats import date_format
from django.utils.translation import pgettext
from msgspec import Struct

from telemetry.core.zones import Zone
from telemetry.web.formatting import format_day

MOST_TICKS = 9
DAY = timedelta(days=1)
MONTH = timedelta(days=30)
STEPS = tuple(
    timedelta(**step)
    for step in (
        {"minutes": 1}, {"minutes": 2}, {"minutes": 5}, {"minutes": 10}, {"minutes": 15},
        {"minutes": 30}, {"hours": 1}, {"hours": 2}, {"hours": 3}, {"hours": 6}, {"hours": 12},
        {"days": 1}, {"days": 2}, {"days": 7}, {"days": 14},
    )
)  # fmt: skip
MONTHS = (1, 2, 3, 6, 12, 24)
_A_MONDAY = datetime(1900, 1, 1)  # noqa: DTZ001 - the clock on the wall


class Tick(Struct, frozen=True):
    """A mark and its label."""

    at: datetime
    label: str


def choose_ticks(since: datetime, until: datetime, *, zone: Zone) -> list[Tick]:
    """At most some ten marks in [since, until], at equal steps of the local clock, or of months."""
    length, start = until - since, since.astimezone(zone).replace(tzinfo=None)
    step = next((step for step in STEPS if length / step <= MOST_TICKS), None)
    if step is not None:
        walls = _list_steps(start, step=step)
    else:
        months = next(
            (count for count in MONTHS if length / (count * MONTH) <= MOST_TICKS), MONTHS[-1]
        )
        walls = _list_months(start, months=months)
    ticks = []
    for wall in walls:
        at = wall.replace(tzinfo=zone).astimezone(UTC)
        if at > until:
            break
        is_on_clock = at.astimezone(zone).replace(tzinfo=None) == wall
        if at >= since and (is_on_clock or step is None or step >= DAY):
            ticks.append(Tick(at, _describe(wall, is_month=step is None)))
    return ticks


def _list_steps(start: datetime, *, step: timedelta) -> Iterator[datetime]:
    base = _A_MONDAY if step > DAY else start.replace(hour=0, minute=0, second=0, microsecond=0)
    wall = start - (start - base) % step
    while True:
        yield wall
        wall += step


def _list_months(start: datetime, *, months: int) -> Iterator[datetime]:
    number = (start.year * 12 + start.month - 1) // months * months
    while True:
        yield datetime(number // 12, number % 12 + 1, 1)  # noqa: DTZ001 - the clock on the wall
        number += months


def _describe(wall: datetime, *, is_month: bool) -> str:
    if is_month:
        return date_format(wall, pgettext("a month with its year", "M Y"))
    if (wall.hour, wall.minute) != (0, 0):
        return date_format(wall, "H:i")
    return format_day(wall)
