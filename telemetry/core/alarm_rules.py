"""When a rule raises and clears an alarm: pure functions, the same for every kind of rule.

A condition that holds for `delay` raises an alarm; the alarm is cleared when the condition has not
held for `clear_after`. In between the condition may come and go as it likes: that is one alarm.
"""

from collections.abc import Iterable
from datetime import datetime, time, timedelta
from decimal import Decimal
from enum import IntEnum, StrEnum
from typing import Literal

from msgspec import Struct
from msgspec.structs import replace

DAY = timedelta(days=1)


class Source(StrEnum):
    """What a kind of rule looks at."""

    READINGS = "readings"
    DEVICES = "devices"
    GATEWAYS = "gateways"
    SYSTEM = "system"


class KindSpec(Struct, frozen=True):
    """A kind of rule. `sign`: -1 where values below the limit are beyond it. `unit`: of the limit;
    empty: the device's. `every_s`: how often it is evaluated."""

    source: Source
    every_s: int
    unit: str = ""
    has_limit: bool = True
    sign: int = 1

    @property
    def is_system(self) -> bool:
        """Whether it is about the system, for its administrators."""
        return self.source == Source.SYSTEM


KINDS: dict[str, KindSpec] = {
    "above": KindSpec(Source.READINGS, 15),
    "below": KindSpec(Source.READINGS, 15, sign=-1),
    "jump": KindSpec(Source.READINGS, 15),
    "device_limits": KindSpec(Source.DEVICES, 15, has_limit=False),
    "day": KindSpec(Source.DEVICES, 60),
    "month": KindSpec(Source.DEVICES, 60),
    "night": KindSpec(Source.DEVICES, 300),
    "no_data": KindSpec(Source.DEVICES, 30, unit="min"),
    "finding": KindSpec(Source.DEVICES, 60, has_limit=False),
    "offline": KindSpec(Source.GATEWAYS, 15, has_limit=False),
    "drops": KindSpec(Source.SYSTEM, 15, has_limit=False),
    "difference": KindSpec(Source.SYSTEM, 300, has_limit=False),
    "guard": KindSpec(Source.SYSTEM, 15, has_limit=False),
    "aggregates": KindSpec(Source.SYSTEM, 60, unit="min"),
    "certificate": KindSpec(Source.SYSTEM, 3_600, unit="d", sign=-1),
    "disk": KindSpec(Source.SYSTEM, 60, unit="%"),
}


class Level(IntEnum):
    """On the good side of the limit by the margin or more, nearer, or beyond the limit."""

    CLEAR = 0
    NEAR = 1
    BEYOND = 2


class Sample(Struct, frozen=True):
    """A value at an instant. `since`: since when its condition has held, where that is known."""

    at: datetime
    level: Level
    value: Decimal | None = None
    since: datetime | None = None


class WatchState(Struct, frozen=True):
    """What is known of one subject of a rule. `worst`: of its values beyond the limit."""

    beyond_since: datetime | None = None
    last_beyond_at: datetime | None = None
    clear_since: datetime | None = None
    worst: Decimal | None = None
    is_raised: bool = False


class Change(Struct, frozen=True):
    """An alarm that is raised, by the state then, or cleared: it ended at `at`."""

    event: Literal["raised", "cleared"]
    at: datetime
    state: WatchState


def choose_level(value: Decimal, *, limit: Decimal, margin: Decimal, sign: int) -> Level:
    """The level of a value. One that equals the limit is not beyond it."""
    excess = sign * (value - limit)
    if excess > 0:
        return Level.BEYOND
    return Level.CLEAR if excess <= -margin else Level.NEAR


def advance(
    state: WatchState,
    samples: Iterable[Sample],
    *,
    now: datetime,
    delay: timedelta,
    clear_after: timedelta,
    sign: int = 1,
) -> tuple[WatchState, list[Change]]:
    """The state after these samples (time order) and until `now`, and what changed on the way.

    Several calls, each with the state of the one before, come to the same as one.
    """
    changes: list[Change] = []
    for sample in samples:
        state = _wait(state, changes, until=sample.at, delay=delay, clear_after=clear_after)
        state = _take(state, sample, sign)
    return _wait(state, changes, until=now, delay=delay, clear_after=clear_after), changes


def _wait(
    state: WatchState,
    changes: list[Change],
    *,
    until: datetime,
    delay: timedelta,
    clear_after: timedelta,
) -> WatchState:
    """Let time pass with the condition as it is."""
    since = state.beyond_since
    if since is not None and not state.is_raised and until - since >= delay:
        state = replace(state, is_raised=True)
        changes.append(Change("raised", since, state))
    ended = state.clear_since
    if ended is not None and until - ended >= clear_after:
        changes.append(Change("cleared", ended, state))
        return WatchState()
    return state


def _take(state: WatchState, sample: Sample, sign: int) -> WatchState:
    if sample.level == Level.BEYOND:
        worst = sample.value if state.worst is None else state.worst
        if sample.value is not None and worst is not None:
            worst = (max if sign > 0 else min)(worst, sample.value)
        return WatchState(
            state.beyond_since or sample.since or sample.at, sample.at, None, worst, state.is_raised
        )
    if not state.is_raised:
        return WatchState()
    if sample.level == Level.NEAR:
        return replace(state, clear_since=None)
    return replace(state, clear_since=state.clear_since or sample.at)


def end_quiet_hours(local: datetime, *, start: time | None, end: time | None) -> datetime | None:
    """When the quiet hours end that a local time is in; None when it is in none.

    Hours whose end is before their start go over midnight.
    """
    if start is None or end is None or start == end:
        return None
    clock = local.time()
    is_quiet = start <= clock < end if start < end else clock >= start or clock < end
    if not is_quiet:
        return None
    # Wall clock arithmetic: the day after has another offset where a clock was changed.
    day = local.date() if clock < end else local.date() + DAY
    return datetime.combine(day, end, tzinfo=local.tzinfo)
