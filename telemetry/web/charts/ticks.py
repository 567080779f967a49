"""Where a time axis has its marks: at round times of the account's clock. Pure."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

from django.utils.formats import date_format
from django.utils.translation import pgettext
from msgspec import Struct

from telemetry.web.wording import format_day

MOST_TICKS = 9
DAY = timedelta(days=1)
STEPS = tuple(
    timedelta(**step)
    for step in (
        {"minutes": 1}, {"minutes": 2}, {"minutes": 5}, {"minutes": 10}, {"minutes": 15},
        {"minutes": 30}, {"hours": 1}, {"hours": 2}, {"hours": 3}, {"hours": 6}, {"hours": 12},
        {"days": 1}, {"days": 2}, {"days": 7}, {"days": 14}, {"days": 28}, {"days": 91},
        {"days": 182}, {"days": 364},
    )
)  # fmt: skip
_FIRST_MONDAY = datetime(1900, 1, 1)  # noqa: DTZ001 - the clock on the wall


class Tick(Struct, frozen=True):
    """A mark and its words."""

    at: datetime
    words: str


def choose_ticks(since: datetime, until: datetime, *, zone: ZoneInfo) -> list[Tick]:
    """At most a handful of marks in [since, until], at equal steps of the local clock."""
    step = next((step for step in STEPS if (until - since) / step <= MOST_TICKS), STEPS[-1])
    return [
        Tick(at, _describe(at.astimezone(zone), step=step))
        for at in _list_instants(since, until, step=step, zone=zone)
    ]


def _list_instants(
    since: datetime, until: datetime, *, step: timedelta, zone: ZoneInfo
) -> Iterator[datetime]:
    wall = since.astimezone(zone).replace(tzinfo=None)
    base = _FIRST_MONDAY if step > DAY else wall.replace(hour=0, minute=0, second=0, microsecond=0)
    wall -= (wall - base) % step
    while (at := wall.replace(tzinfo=zone).astimezone(UTC)) <= until:
        is_on_clock = at.astimezone(zone).replace(tzinfo=None) == wall
        if at >= since and is_on_clock:
            yield at
        wall += step


def _describe(local: datetime, *, step: timedelta) -> str:
    if step < DAY and (local.hour, local.minute) != (0, 0):
        return date_format(local, "H:i")
    if step > 90 * DAY:
        return date_format(local, pgettext("a month with its year", "M Y"))
    return format_day(local)
