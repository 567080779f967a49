"""Deltas on another scale, counted twice, or sent again."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest

from telemetry.core.findings import HourRow, propose_modulus
from telemetry.core.multiples import find_multiples, find_repeated, list_crowded_hours
from telemetry.core.registers import Value

START = datetime(2026, 11, 2, tzinfo=UTC)
HOUR, DAY = timedelta(hours=1), timedelta(days=1)


def make_days(wrong: Any, *, usual: Any = (10, 11, 10, 12), at: int = 9, count: int = 18) -> Any:
    """The same hour of days that go on as usual, and one with another value; noon and evening."""
    rows = []
    for day in range(count):
        value = Decimal(str(wrong if day == at else usual[day % len(usual)]))
        rows.append(HourRow(START + day * DAY, value, value, value, 1))
        rows.append(HourRow(START + day * DAY + HOUR, Decimal(1), Decimal(1), Decimal(1), 1))
    return rows


@pytest.mark.parametrize(
    ("value", "rule", "times"),
    [
        pytest.param(21, "double", "2", id="counted twice"),
        pytest.param(110, "scale", "10", id="ten times"),
        pytest.param(10_500, "scale", "1000", id="Wh for kWh"),
        pytest.param("0.11", "scale", "0.01", id="a hundredth"),
    ],
)
def test_it_finds_a_multiple_of_the_usual(value: Any, rule: str, times: str) -> None:
    [found] = find_multiples(make_days(value))
    assert (found.rule, found.since, found.evidence["times"]) == (rule, START + 9 * DAY, times)


@pytest.mark.parametrize(
    ("value", "options"),
    [
        pytest.param(10, {}, id="the usual"),
        pytest.param(14, {}, id="a little more"),
        pytest.param(50, {}, id="much more, but no multiple"),
        pytest.param(0, {}, id="nothing"),
        pytest.param(20, {"usual": (7, 14)}, id="twice the usual of a device that is not steady"),
        pytest.param(100, {"count": 8, "at": 4}, id="too few days"),
        pytest.param(100, {"usual": (0, 0, 0, 10)}, id="often nothing"),
    ],
)
def test_it_finds_no_multiple_where(value: Any, options: Any) -> None:
    assert find_multiples(make_days(value, **options)) == []


def test_it_compares_no_deltas_of_a_minute_with_those_of_an_hour() -> None:
    rows = make_days("0.11")
    at = 2 * 9
    rows[at] = HourRow(rows[at].hour, Decimal("0.09"), Decimal("0.11"), Decimal("0.1"), 60)
    assert find_multiples(rows) == []
    rows[at] = HourRow(rows[at].hour, Decimal("0.09"), Decimal("0.11"), Decimal("0.1"), 2)
    assert [one.rule for one in find_multiples(rows)] == ["scale"]


@pytest.mark.parametrize(
    ("sundays", "found"),
    [
        pytest.param(("1.1", "0.9", "1.3"), 0, id="each Sunday has a tenth"),
        pytest.param(("10", "1.1", "11"), 1, id="one Sunday has a tenth"),
    ],
)
def test_it_knows_what_a_weekday_has(sundays: tuple[str, ...], found: int) -> None:
    rows = make_days(10, usual=(10, 11, 10, 12, 11), count=22)
    for number, value in enumerate(sundays):
        at = 2 * (3 + 7 * number)
        small = Decimal(value)
        rows[at] = HourRow(rows[at].hour, small, small, small, 1)
    assert len(find_multiples(rows)) == found


def test_it_knows_the_usual_when_a_slip_lasts_for_days() -> None:
    rows = make_days(100, at=9)
    for row in (10, 11):
        rows[2 * row] = HourRow(START + row * DAY, Decimal(100), Decimal(100), Decimal(100), 1)
    assert [one.since for one in find_multiples(rows)] == [START + day * DAY for day in (9, 10, 11)]


def test_it_finds_a_delta_that_came_again_soon() -> None:
    def read(*found: tuple[int, Any]) -> list[Value]:
        return [Value(START + minutes * timedelta(minutes=1), Decimal(v)) for minutes, v in found]

    [found] = find_repeated(read((0, 5), (15, 5), (17, 5), (30, 5)), interval_s=900)
    assert (found.since, found.evidence["first"]) == (
        START + timedelta(minutes=15), (START + timedelta(minutes=17)).isoformat(),
    )  # fmt: skip
    assert find_repeated(read((0, 5), (2, 4), (4, 0), (6, 0)), interval_s=900) == []


def test_it_looks_for_deltas_that_came_again_only_where_there_are_too_many() -> None:
    zero = Decimal(0)
    rows = [
        HourRow(START + hour * HOUR, zero, zero, zero, n) for hour, n in ((0, 4), (1, 5), (9, 1))
    ]
    assert list_crowded_hours(rows, interval_s=900) == [START + HOUR]
    assert list_crowded_hours(rows, interval_s=86_400) == [row.hour for row in rows]
    assert list_crowded_hours(rows, interval_s=None) == []


@pytest.mark.parametrize(
    ("before", "after", "modulus"),
    [
        ("99990", "5", 100_000), ("9999999.9", "12", 10**7), ("65530", "3", 65_536),
        ("4294967200", "1", 2**32), ("50000", "5", None), ("99990", "50000", None),
    ],
)  # fmt: skip
def test_it_proposes_the_modulus_of_a_rollover(before: str, after: str, modulus: Any) -> None:
    assert propose_modulus(Decimal(before), Decimal(after)) == modulus
