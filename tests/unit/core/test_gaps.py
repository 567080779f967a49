"""Consumption of times without readings."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from telemetry.core.gaps import consume, consume_until, find_limit, is_gap
from telemetry.core.registers import HOUR, Step

START = datetime(2026, 11, 1, tzinfo=UTC)


def step(
    since: float, until: float, consumed: object, longest: timedelta | None = 2 * HOUR
) -> Step:
    amount = Decimal(str(consumed))
    return Step(START + since * HOUR, START + until * HOUR, amount, amount, longest=longest)


def tell(gap: Step, *, hours: int) -> list[str]:
    """What its first hours consumed, and how much of it is estimated."""
    parts = consume([gap], START, START + hours * HOUR)
    return [str(part.normalize()) for part in parts]


def test_it_spreads_to_four_decimals_and_gives_the_rest_to_the_last() -> None:
    gap = step(0, 3, 10)
    parts = [consume([gap], START + hour * HOUR, START + (hour + 1) * HOUR) for hour in range(3)]
    assert [str(part) for part, _ in parts] == ["3.3333", "3.3333", "3.3334"]
    assert [part for part, _ in parts] == [estimated for _, estimated in parts]


@pytest.mark.parametrize(
    ("since", "until", "interval_s", "expected"),
    [
        (0, 2, None, False), (0, 2.01, None, True), (0, 48, 86_400, False),
        (0, 48.01, 86_400, True), (0.1, 0.9, 60, False), (0.9, 1.1, 60, True),
    ],
    ids=[
        "two hours, interval unknown", "more than two hours", "two intervals", "more than two",
        "inside one hour", "over the end of an hour",
    ],
)  # fmt: skip
def test_it_knows_gaps(since: float, until: float, interval_s: int | None, expected: bool) -> None:
    assert is_gap(step(since, until, 1, find_limit(interval_s))) is expected


def test_it_measures_a_day_between_its_midnights_and_estimates_its_hours() -> None:
    assert tell(step(0, 24, 48), hours=24) == ["48", "0"]
    assert tell(step(0, 24, 48), hours=1) == ["2", "2"]
    assert tell(step(0, 24, 48, longest=None), hours=1) == ["0", "0"]


def test_it_counts_the_first_delta_at_its_instant() -> None:
    first = Step(None, START, Decimal(7), Decimal(7))
    assert list(consume([first], START - HOUR, START)) == [Decimal(7), Decimal(0)]


@given(
    st.integers(1, 10**10),
    st.integers(1, 10_000),
    st.lists(st.integers(0, 10_000), max_size=8),
)
def test_it_adds_up_whatever_it_is_cut_into(amount: int, length: int, cuts: list[int]) -> None:
    consumed = Decimal(amount) / 10_000
    gap = Step(START, START + length * HOUR / 7, consumed, consumed)
    ends = [gap.at, *(START + cut * HOUR / 7 for cut in cuts)]
    ends = [START, *sorted(end for end in ends if end <= gap.at)]
    parts = [consume_until(gap, end) - consume_until(gap, start) for start, end in pairwise(ends)]
    assert sum(parts) == consumed
    assert all(part >= 0 for part in parts)
    assert consume_until(gap, START - timedelta(seconds=1)) == 0
