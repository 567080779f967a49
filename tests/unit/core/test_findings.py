"""The rules of findings, case by case."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest

from telemetry.core.findings import (
    HourRow,
    LateReading,
    Plausible,
    find_late,
    find_negative,
    find_silences,
    find_standstills,
    find_too_fast,
    propose_rate,
    silence_limit,
)

START = datetime(2026, 11, 2, tzinfo=UTC)
HOUR, DAY = timedelta(hours=1), timedelta(days=1)


def rows(*values: Any, count: int = 1) -> list[HourRow]:
    """An hour each: a value, or (least, most); None for an hour without readings."""
    made = []
    for number, value in enumerate(values):
        if value is not None:
            low, high = value if isinstance(value, tuple) else (value, value)
            at = START + number * HOUR
            made.append(HourRow(at, Decimal(low), Decimal(high), Decimal(high), count))
    return made


@pytest.mark.parametrize(
    ("interval_s", "count", "span", "limit"),
    [
        pytest.param(900, 0, DAY, 2 * HOUR, id="two hours at the least"),
        pytest.param(86_400, 0, DAY, 2 * DAY, id="twice a day"),
        pytest.param(None, 10, 10 * DAY, 2 * DAY, id="unknown, but one a day came"),
        pytest.param(None, 0, DAY, 2 * HOUR, id="unknown, and nothing came"),
    ],
)
def test_it_allows_silence_for_two_intervals(
    interval_s: int | None, count: int, span: timedelta, limit: timedelta
) -> None:
    assert silence_limit(interval_s=interval_s, readings_count=count, span=span) == limit


def test_it_finds_hours_without_readings_and_silence_that_goes_on() -> None:
    sent = rows(1, 2, None, None, 5, None, None, None, 9, count=4)
    found = find_silences(sent, interval_s=900, now=START + 11 * HOUR)
    assert [(one.since, one.until) for one in found] == [(START + 5 * HOUR, START + 8 * HOUR)]
    found = find_silences(sent, interval_s=900, now=START + 12 * HOUR)
    assert (found[-1].since, found[-1].until) == (START + 9 * HOUR, None)
    assert len(find_silences(sent, interval_s=900, now=None)) == 1
    assert find_silences([], interval_s=900, now=START) == []


def test_it_finds_a_register_that_stands_for_a_day_after_it_counted() -> None:
    found = find_standstills(rows(*range(10), *[9] * 30), is_register=True)
    assert [(one.rule, one.since, one.until) for one in found] == [
        ("stuck", START + 9 * HOUR, None)
    ]
    moved = find_standstills(rows(*range(10), *[9] * 30, 10), is_register=True)
    assert moved[0].until == START + 40 * HOUR


@pytest.mark.parametrize(
    "values",
    [
        pytest.param([*range(10), *[9] * 20], id="less than a day"),
        pytest.param([5] * 60, id="it never counted"),
        pytest.param([*range(5), *[4] * 20, 5, *[5] * 24], id="it stood nearly as long before"),
        pytest.param([*range(60)], id="it counts"),
    ],
)
def test_it_finds_no_standstill_when(values: list[int]) -> None:
    assert find_standstills(rows(*values), is_register=True) == []


def test_it_finds_a_delta_that_is_zero_and_none_that_repeats_a_value() -> None:
    assert len(find_standstills(rows(1, 2, *[0] * 30), is_register=False)) == 1
    assert find_standstills(rows(1, 2, *[5] * 30), is_register=False) == []


def test_it_finds_negative_deltas_by_day() -> None:
    found = find_negative(rows(1, (-2, 3), *[1] * 24, -1))
    assert [(one.since, one.evidence["least"]) for one in found] == [
        (START, "-2"), (START + DAY, "-1"),
    ]  # fmt: skip
    net = [Plausible(None), Plausible(START + HOUR, is_net=True)]
    assert [one.since for one in find_negative(rows(-1, -1, *[1] * 24, -1), meters=net)] == [START]


def late(hours: int, *, before: int | None, after: int | None) -> LateReading:
    at = START + hours * HOUR

    def near(shift: int | None) -> datetime | None:
        return None if shift is None else at + shift * HOUR

    return LateReading(at, Decimal(1), at + 5 * DAY, near(before), near(after))


@pytest.mark.parametrize(
    ("before", "after", "rule"),
    [
        pytest.param(-30, 30, "late", id="it fills a gap"),
        pytest.param(-30, None, "late", id="it goes on after what was there"),
        pytest.param(None, None, "old_clock", id="nothing near it"),
        pytest.param(-1, 0, "old_clock", id="readings had come for that time already"),
    ],
)
def test_it_tells_late_readings_from_an_old_clock(
    before: int | None, after: int | None, rule: str
) -> None:
    found = find_late([late(1, before=before, after=after)], usual=HOUR)
    assert [(one.rule, one.since) for one in found] == [(rule, START)]


def test_it_finds_late_readings_once_a_day() -> None:
    found = find_late([late(hours, before=-90, after=90) for hours in range(30)], usual=HOUR)
    assert [(one.since, one.evidence["readings"]) for one in found] == [
        (START, "24"), (START + DAY, "6"),
    ]  # fmt: skip


def consumed(*values: Any) -> list[HourRow]:
    zero = Decimal(0)
    return [
        HourRow(START + number * HOUR, zero, zero, zero, 1, Decimal(value))
        for number, value in enumerate(values)
    ]


def test_it_proposes_a_rate_from_history_and_finds_what_is_faster() -> None:
    usual = [*([1, 2, 3] * 20), 0, 0]
    assert propose_rate(consumed(*usual)) == 30
    assert propose_rate(consumed(*usual[:23])) is None
    assert find_too_fast(consumed(*usual)) == []
    [found] = find_too_fast(consumed(*usual, 31))
    assert (found.rule, found.since) == ("too_fast", START + 62 * HOUR)
    assert found.evidence == {"consumed": "31", "plausible": "30"}
    assert (
        find_too_fast(consumed(1, 9), meters=[Plausible(None, Decimal(8))])[0].since == START + HOUR
    )
    gap = [consumed(1)[0], *consumed(0, 0, 0, 9)[3:]]  # three hours at 3 each
    assert find_too_fast(gap, meters=[Plausible(None, Decimal(3))]) == []
