"""The rules of consumption, said in Python."""

from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from zoneinfo import ZoneInfo

import pytest

from telemetry.core.consumption import (
    DAY,
    BillingDays,
    Meter,
    Value,
    count_days,
    count_intervals,
    counted_day,
    cover,
    day_of,
    hour_of,
    measure,
    month_of,
    next_month,
    start_of,
    sum_by,
)
from tests.billing_cases import CASES, bill
from tests.consumption import install

START = datetime(2026, 11, 1, tzinfo=UTC)
HOUR = timedelta(hours=1)
LISBON = ZoneInfo("Europe/Lisbon")


def at(hours: float, value: str = "1") -> Value:
    return Value(START + hours * HOUR, Decimal(value))


def test_it_sees_each_reading_once_whatever_the_order() -> None:
    readings = [at(2, "12"), at(0, "10"), at(2, "12"), at(1, "11")]
    assert [step.consumed for step in measure(readings, install(Meter("cumulative")))] == [1, 1]
    assert [step.consumed for step in measure(readings, install(Meter("delta")))] == [10, 11, 12]
    assert measure(readings, install(Meter("gauge"))) == []
    [day] = sum_by(sorted(set(readings), key=lambda one: one.at), lambda at: at.date()).values()
    assert [day.reading_sum, day.first, day.last] == [33, 10, 12]


def test_it_counts_a_reading_at_a_border_for_what_ends_there() -> None:
    second = timedelta(seconds=1)
    assert [hour_of(START + shift) for shift in (-second, 0 * second, second)] == [
        START - HOUR, START - HOUR, START,
    ]  # fmt: skip
    midnight = start_of(date(2026, 11, 1), LISBON)
    assert counted_day(midnight, LISBON) == date(2026, 10, 31)
    assert counted_day(midnight + timedelta(microseconds=1), LISBON) == date(2026, 11, 1)
    assert day_of(midnight, LISBON) == date(2026, 11, 1)


@pytest.mark.parametrize("name", CASES)
def test_it_bills_what_is_right(name: str) -> None:
    case = CASES[name]
    months, days = bill(case)
    totals = {month: of.total for month, of in months.items()}
    assert {month: totals.pop(month, 0) for month in case.months} == case.months
    assert set(totals.values()) <= {0}
    assert {day: days[day].total for day in case.days} == case.days
    assert {month: of.estimated for month, of in months.items() if of.estimated} == case.estimated
    steps = measure(case.readings, install(case.meter, case.replacements))
    assert tuple(step.case for step in steps if step.case) == case.cases


def test_it_counts_a_gap_at_its_end_where_it_is_not_spread() -> None:
    months, _ = bill(CASES["a gap over the end of a month"], is_spread=False)
    assert [str(of.total) for of in months.values()] == ["40"]
    assert [of.estimated for of in months.values()] == [0]


def test_it_covers_a_day_by_as_many_intervals_as_it_has() -> None:
    meter = install(Meter("cumulative", interval_s=86_400))
    twice = [datetime(2026, 11, 1, hour, tzinfo=UTC) for hour in (8, 20)]
    seen = sum(
        count_intervals([at + day * DAY for at in twice], meter, LISBON) for day in range(10)
    )
    end = date(2026, 12, 1)
    over = start_of(end, LISBON)
    assert seen == 10
    assert cover(Decimal(seen), date(2026, 11, 1), end, meter, LISBON, now=over) == Decimal(10) / 30


def test_it_begins_days_where_the_clocks_change() -> None:
    azores, sao_paulo = ZoneInfo("Atlantic/Azores"), ZoneInfo("America/Sao_Paulo")
    assert start_of(date(2026, 10, 25), azores) == datetime(2026, 10, 25, 0, tzinfo=UTC)
    assert start_of(date(2026, 10, 26), azores) == datetime(2026, 10, 26, 1, tzinfo=UTC)
    assert start_of(date(2018, 11, 4), sao_paulo) == datetime(2018, 11, 4, 3, tzinfo=UTC)
    for zone in (azores, sao_paulo, LISBON):
        for shift in range(-400, 400):
            day = date(2026, 6, 1) + timedelta(days=shift)
            start = start_of(day, zone)
            assert day_of(start, zone) == day
            assert day_of(start - timedelta(microseconds=1), zone) == day - timedelta(days=1)


@pytest.mark.parametrize(
    ("day", "billing_day", "month"),
    [
        (date(2026, 1, 14), 15, date(2025, 12, 15)),
        (date(2026, 1, 15), 15, date(2026, 1, 15)),
        (date(2026, 3, 1), 28, date(2026, 2, 28)),
        (date(2026, 2, 28), 1, date(2026, 2, 1)),
        (date(2026, 2, 28), 31, date(2026, 2, 28)),
        (date(2026, 3, 30), 31, date(2026, 2, 28)),
        (date(2026, 3, 31), 31, date(2026, 3, 31)),
        (date(2028, 2, 29), 30, date(2028, 2, 29)),
    ],
    ids=[
        "the day before",
        "the day itself",
        "after a short month",
        "calendar months",
        "the last day of a short month",
        "the day before the 31st",
        "the 31st",
        "in a leap year",
    ],
)
def test_it_finds_the_billing_month(day: date, billing_day: int, month: date) -> None:
    assert month_of(day, billing_day) == month
    assert month <= day < next_month(month, billing_day)


def test_it_begins_months_on_another_day_from_a_month_on() -> None:
    billing = BillingDays(15, ((date(2026, 9, 1), 1),))
    firsts, month = [], date(2026, 7, 1)
    while month < date(2026, 11, 1):
        firsts.append(month)
        month = next_month(month, billing)
    assert firsts == [
        date(2026, 7, 1), date(2026, 8, 1), date(2026, 9, 1), date(2026, 9, 15), date(2026, 10, 15),
    ]  # fmt: skip
    for shift in range(120):
        day = date(2026, 7, 1) + timedelta(days=shift)
        assert month_of(day, billing) == max(first for first in firsts if first <= day)


def test_it_covers_no_more_than_the_hours_there_are() -> None:
    instants = [at(0).at + shift * HOUR / 4 for shift in range(1, 9)]  # four an hour, two hours
    assert count_intervals(instants, install(Meter("delta")), LISBON) == 2
    assert count_intervals(instants, install(Meter("delta", interval_s=1800)), LISBON) == 4
    assert count_intervals(instants, install(Meter("delta", interval_s=7200)), LISBON) == 2
    kolkata = ZoneInfo("Asia/Kolkata")
    ends = [datetime(2026, 11, 1, 18, 40, tzinfo=UTC), datetime(2026, 11, 2, 18, 20, tzinfo=UTC)]
    assert count_intervals(ends, install(Meter("delta")), kolkata) == 1


def test_it_measures_a_month_by_what_has_passed_of_it() -> None:
    month = date(2026, 10, 1)
    begun = start_of(month, LISBON)
    meter = install(Meter("delta"))
    end = date(2026, 11, 1)
    assert cover(Decimal(5), month, end, meter, LISBON, now=begun) is None
    assert cover(Decimal(5), month, end, meter, LISBON, now=begun + 10 * HOUR) == Decimal("0.5")
    assert cover(Decimal(50), month, end, meter, LISBON, now=begun + 10 * HOUR) == 1
    # October has one hour more in Lisbon.
    over = start_of(date(2027, 1, 1), LISBON)
    assert cover(Decimal(149), month, end, meter, LISBON, now=over) == Decimal(149) / (31 * 24 + 1)
    assert count_days(month, end, LISBON, now=begun + HOUR) == 1
    assert count_days(month, end, LISBON, now=begun + 30 * HOUR) == 2
    assert count_days(month, end, LISBON, now=over) == 31
