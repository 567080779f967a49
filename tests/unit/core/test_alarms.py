"""Alarms are a function of the readings in the order of time."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from telemetry.core.alarms import Limit, Stretch, evaluate_limit, is_beyond
from telemetry.core.consumption import Value

START = datetime(2026, 11, 1, tzinfo=UTC)
HIGH = Limit("high", Decimal(10))
LOW = Limit("low", Decimal(-1))


def at(minute: int) -> datetime:
    return START + timedelta(minutes=minute)


def make(*found: tuple[int, float]) -> list[Value]:
    return [Value(at(minute), Decimal(str(value))) for minute, value in found]


def stretch(first: int, last: int, worst: float, closed: int | None = None) -> Stretch:
    end = None if closed is None else at(closed)
    return Stretch(at(first), at(last), Decimal(str(worst)), end)


@pytest.mark.parametrize(
    ("limit", "value", "expected"),
    [
        pytest.param(HIGH, "10", False, id="at the high limit"),
        pytest.param(HIGH, "10.0001", True, id="above the high limit"),
        pytest.param(LOW, "-1", False, id="at the low limit"),
        pytest.param(LOW, "-1.0001", True, id="below the low limit"),
        pytest.param(HIGH, "-99", False, id="low, with a high limit"),
    ],
)
def test_it_says_what_is_beyond(limit: Limit, value: str, expected: bool) -> None:
    assert is_beyond(Decimal(value), limit) is expected


@pytest.mark.parametrize(
    ("limit", "values", "expected"),
    [
        pytest.param(HIGH, make(), [], id="nothing"),
        pytest.param(HIGH, make((0, 10), (1, 3)), [], id="all within"),
        pytest.param(HIGH, make((0, 11)), [stretch(0, 0, 11)], id="one beyond stays open"),
        pytest.param(
            HIGH, make((0, 11), (1, 15), (2, 12)), [stretch(0, 2, 15)], id="the worst is kept"
        ),
        pytest.param(
            LOW, make((0, -2), (1, -9), (2, 0)), [stretch(0, 1, -9, 2)], id="low, and back"
        ),
        pytest.param(
            HIGH,
            make((0, 11), (1, 1), (2, 12), (3, 1)),
            [stretch(0, 0, 11, 1), stretch(2, 2, 12, 3)],
            id="two spikes are two alarms",
        ),
        pytest.param(
            HIGH, make((2, 1), (0, 11), (1, 12)), [stretch(0, 1, 12, 2)], id="given in any order"
        ),
    ],
)
def test_it_evaluates_a_limit(limit: Limit, values: list[Value], expected: list[Stretch]) -> None:
    assert evaluate_limit(values, limit) == expected


def test_it_closes_what_was_open_before() -> None:
    before = stretch(0, 3, 20)
    assert evaluate_limit(make((5, 1)), HIGH, opened=before) == [stretch(0, 3, 20, 5)]
    assert evaluate_limit(make((5, 30)), HIGH, opened=before) == [stretch(0, 5, 30)]
    assert evaluate_limit([], HIGH, opened=before) == [before]


series = st.dictionaries(st.integers(0, 500), st.integers(-4, 14), max_size=30).map(
    lambda found: make(*sorted(found.items()))
)


@given(values=series, cuts=st.sets(st.integers(0, 30)), limit=st.sampled_from([HIGH, LOW]))
def test_it_comes_to_the_same_in_any_number_of_runs(
    values: list[Value], cuts: set[int], limit: Limit
) -> None:
    closed: list[Stretch] = []
    opened: Stretch | None = None
    edges = [0, *sorted(cuts), len(values)]
    for start, end in pairwise(edges):
        found = evaluate_limit(values[start:end], limit, opened=opened)
        opened = found.pop() if found and found[-1].closed_at is None else None
        closed += found
    assert closed + ([opened] if opened else []) == evaluate_limit(values, limit)


@given(values=series, limit=st.sampled_from([HIGH, LOW]))
def test_it_is_open_exactly_while_the_newest_reading_is_beyond(
    values: list[Value], limit: Limit
) -> None:
    found = evaluate_limit(values, limit)
    is_open = bool(found) and found[-1].closed_at is None
    assert is_open == (bool(values) and is_beyond(values[-1].value, limit))
    assert all(stretch.closed_at is not None for stretch in found[:-1])
