"""Rules raise once and clear once, however a value comes and goes."""

from datetime import UTC, datetime, time, timedelta
from decimal import Decimal
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from telemetry.core.alarm_rules import (
    Change,
    Level,
    Sample,
    WatchState,
    advance,
    choose_level,
    end_quiet_hours,
)

START = datetime(2026, 11, 20, tzinfo=UTC)
MINUTE = timedelta(minutes=1)
Steps = list[tuple[int, Level]]


def run(
    samples: list[Sample], state: WatchState, *, until: int, delay: int, clear_after: int
) -> tuple[WatchState, list[Change]]:
    return advance(
        state, samples, now=START + until * MINUTE, delay=delay * MINUTE,
        clear_after=clear_after * MINUTE,
    )  # fmt: skip


def make_samples(levels: list[Level]) -> list[Sample]:
    return [Sample(START + n * MINUTE, level, Decimal(n)) for n, level in enumerate(levels)]


LEVELS = st.lists(st.sampled_from(Level), max_size=40)


@given(LEVELS, st.integers(0, 40), st.integers(0, 8), st.integers(0, 8))
def test_it_comes_to_the_same_in_one_call_and_in_two(
    levels: list[Level], cut: int, delay: int, clear_after: int
) -> None:
    samples = make_samples(levels)
    end = len(samples) + 5
    once, changes = run(samples, WatchState(), until=end, delay=delay, clear_after=clear_after)
    first, second = samples[:cut], samples[cut:]
    seen = max(0, len(first) - 1)
    half, before = run(first, WatchState(), until=seen, delay=delay, clear_after=clear_after)
    twice, after = run(second, half, until=end, delay=delay, clear_after=clear_after)
    assert (twice, before + after) == (once, changes)


@given(LEVELS, st.integers(0, 8), st.integers(1, 8))
def test_it_raises_and_clears_in_turn_and_no_sooner_than_it_may(
    levels: list[Level], delay: int, clear_after: int
) -> None:
    samples = make_samples(levels)
    state, changes = run(
        samples, WatchState(), until=len(samples) + 20, delay=delay, clear_after=clear_after
    )
    events = [change.event for change in changes]
    assert events == ["raised", "cleared"] * (len(events) // 2) + ["raised"] * (len(events) % 2)
    assert state.is_raised == (len(events) % 2 == 1)
    for raised, cleared in zip(changes[::2], changes[1::2], strict=False):
        assert raised.at <= cleared.at
    for cleared, raised in zip(changes[1::2], changes[2::2], strict=False):
        assert raised.at - cleared.at >= clear_after * MINUTE, "what comes and goes is one alarm"


def test_it_keeps_the_worst_value_and_begins_anew_after_the_end() -> None:
    levels = [Level.BEYOND, Level.BEYOND, Level.CLEAR, Level.CLEAR]
    values = [Decimal(9), Decimal(5), Decimal(0), Decimal(0)]
    samples = [
        Sample(START + n * MINUTE, level, value)
        for n, (level, value) in enumerate(zip(levels, values, strict=True))
    ]
    state, [raised, cleared] = run(samples, WatchState(), until=9, delay=1, clear_after=5)
    assert (raised.at, raised.state.worst) == (START, Decimal(9))
    assert (cleared.at, cleared.state.last_beyond_at) == (START + 2 * MINUTE, START + MINUTE)
    assert state == WatchState()


@pytest.mark.parametrize(
    ("value", "sign", "expected"),
    [
        pytest.param(81, 1, Level.BEYOND, id="above"),
        pytest.param(80, 1, Level.NEAR, id="equal to the limit"),
        pytest.param(77, 1, Level.NEAR, id="within the margin"),
        pytest.param(75, 1, Level.CLEAR, id="at the margin"),
        pytest.param(79, -1, Level.BEYOND, id="below"),
        pytest.param(84, -1, Level.NEAR, id="within the margin of a lower limit"),
        pytest.param(85, -1, Level.CLEAR, id="at the margin of a lower limit"),
    ],
)
def test_it_knows_where_a_value_is(value: int, sign: int, expected: Level) -> None:
    found = choose_level(Decimal(value), limit=Decimal(80), margin=Decimal(5), sign=sign)
    assert found == expected


@pytest.mark.parametrize(
    ("at", "start", "end", "expected"),
    [
        pytest.param("20 23:30", 22, 7, "21 07:00", id="before midnight"),
        pytest.param("21 06:59", 22, 7, "21 07:00", id="after midnight"),
        pytest.param("21 07:00", 22, 7, None, id="at their end"),
        pytest.param("20 12:00", 22, 7, None, id="by day"),
        pytest.param("20 12:30", 12, 14, "20 14:00", id="at noon"),
        pytest.param("20 12:00", 12, 12, None, id="of no length"),
    ],
)
def test_it_ends_quiet_hours(at: str, start: int, end: int, expected: str | None) -> None:
    zone = ZoneInfo("America/Sao_Paulo")
    local = datetime.strptime(f"2026-11-{at}", "%Y-%m-%d %H:%M").replace(tzinfo=zone)
    found = end_quiet_hours(local, start=time(start), end=time(end))
    assert (found and f"{found:%d %H:%M}") == expected
