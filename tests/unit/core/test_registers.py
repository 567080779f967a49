"""What registers count, and what someone should look at."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from telemetry.core.installations import Meter, measure_stretch, split_stretches
from telemetry.core.register_hours import count_hours
from telemetry.core.registers import (
    HOUR,
    Register,
    Step,
    Value,
    count_stretch,
)
from tests.consumption import Replacement, install

START = datetime(2026, 11, 1, tzinfo=UTC)
numbers = st.integers(0, 3_000).map(lambda number: Decimal(number) / 10)


def make(*values: object) -> list[Value]:
    """A reading an hour."""
    return [
        Value(START + number * HOUR, Decimal(str(value))) for number, value in enumerate(values)
    ]


def tell(steps: list[Step]) -> list[tuple[str, str | None]]:
    return [(str(step.consumed), step.case) for step in steps]


@pytest.mark.parametrize(
    ("values", "modulus", "expected"),
    [
        ((10, 12, 12), None, [("2", None), ("0", None)]),
        ((900, 99), 1000, [("199", None)]),
        ((899, 99), 1000, [("99", "reset")]),
        ((900, 100), 1000, [("100", "reset")]),
        ((1001, 5), 1000, [("5", "reset")]),
        ((2000, 0, 2015), 1_000_000, [("15", "dip")]),
        ((990, 0, 991), 1000, [("1", "dip")]),
        ((300, 300_400, 303), None, [("3", "spike")]),
        ((300, 302, 301, 303), None, [("2", None), ("0", None), ("1", None)]),
        ((100, 50, "99.5", 101), None, [("0", "dip"), ("1", None)]),
        ((-10, -9), None, [("1", None)]),
        ((5, -3, -2), None, [("0", "reset"), ("1", None)]),
        ((0, 0), 1000, [("0", None)]),
    ],
    ids=[
        "growth", "the border of the upper tenth", "below the upper tenth",
        "the lower tenth does not hold its border", "above the modulus", "a dip far from a modulus",
        "a dip where a rollover could be", "a spike", "noise is no dip", "a dip that ends in noise",
        "a register below zero grows", "no reset counts below zero", "zero stays zero",
    ],
)  # fmt: skip
def test_it_counts_between_readings(
    values: tuple[object, ...], modulus: int | None, expected: list[tuple[str, str | None]]
) -> None:
    register = Register(modulus=None if modulus is None else Decimal(modulus))
    assert tell(count_stretch(make(*values), register)) == expected


def test_it_counts_backwards_where_feed_in_is_allowed() -> None:
    steps = count_stretch(make(100, 90, 95), Register(is_net=True))
    assert tell(steps) == [("-10", None), ("5", None)]


def test_it_tells_what_is_above_the_largest_rate() -> None:
    register = Register(largest_rate=Decimal(10))
    assert tell(count_stretch(make(100, 110, 121), register)) == [("10", None), ("11", "too_fast")]


def test_it_names_the_readings_that_it_skips() -> None:
    [step] = count_stretch(make(2000, 0, 0, 2015), Register())
    assert [value.value for value in step.skipped] == [0, 0]
    assert (step.since, step.at) == (START, START + 3 * HOUR)


@pytest.mark.parametrize(
    ("value", "is_old"), [(101, True), (5, False), (77, True)], ids=["old", "new", "neither"]
)
def test_it_takes_a_reading_at_an_exchange_for_the_register_that_it_equals(
    value: int, is_old: bool
) -> None:
    exchange = Replacement(START + HOUR, Decimal(101), Decimal(5))
    meters = install(Meter("cumulative"), [exchange])
    old, new = split_stretches(make(100, value, 6), meters)
    assert [one.value for one in old.readings] == [100, *([value] if is_old else [])]
    assert [one.value for one in new.readings] == [*([] if is_old else [value]), 6]
    assert (old.end, new.start) == (
        Value(exchange.at, Decimal(101)),
        Value(exchange.at, Decimal(5)),
    )


@given(st.lists(numbers, min_size=2, max_size=12), st.data())
def test_it_counts_the_same_when_a_meter_is_only_entered_anew(
    values: list[Decimal], data: st.DataObject
) -> None:
    readings = make(*sorted(values))
    one = data.draw(st.sampled_from(readings))
    meter = Meter("cumulative", factor=Decimal("1.5"))
    meters = install(meter, [Replacement(one.at, one.value, one.value)])
    consumed = [
        step.consumed
        for stretch in split_stretches(readings, meters)
        for step in measure_stretch(stretch)
    ]
    [whole] = split_stretches(readings, install(meter))
    assert sum(consumed) == sum(step.consumed for step in measure_stretch(whole))


@given(st.lists(numbers, min_size=1, max_size=12), st.sampled_from([None, Decimal(300)]))
def test_it_counts_nothing_below_zero(values: list[Decimal], modulus: Decimal | None) -> None:
    steps = count_stretch(make(*values), Register(modulus=modulus))
    assert all(step.consumed >= 0 for step in steps)


@given(st.lists(numbers, min_size=2, max_size=12), st.data())
def test_it_goes_on_from_what_a_register_has_reached(
    values: list[Decimal], data: st.DataObject
) -> None:
    readings = make(*values)
    steps = count_stretch(readings, Register())
    step = data.draw(st.sampled_from(steps))
    rest = [Value(step.at, step.height), *(one for one in readings if one.at > step.at)]
    assert count_stretch(rest, Register()) == steps[steps.index(step) + 1 :]


@given(st.lists(numbers, min_size=2, max_size=12))
def test_it_counts_by_hour_what_the_steps_count(values: list[Decimal]) -> None:
    readings = [Value(START + number * HOUR / 2, value) for number, value in enumerate(values)]
    hours = count_hours(readings, install(Meter("cumulative")), height=None, is_spread=False)
    steps = count_stretch(readings, Register())
    assert sum(of.within + of.step for of in hours.values()) == sum(step.consumed for step in steps)
    assert [step for of in hours.values() for step in of.steps] == [
        (step.at, step.consumed) for step in steps
    ]
    assert all(
        of.step_from < hour + timedelta(hours=1) for hour, of in hours.items() if of.step_from
    )
