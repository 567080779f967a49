"""Time-of-use bands and demand, case by case."""

from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from itertools import pairwise
from zoneinfo import ZoneInfo

import pytest

from telemetry.core.bands import (
    HOUR,
    QUARTER,
    BandCalendar,
    Demand,
    Period,
    Span,
    consume_by_band,
    divide,
    find_demand,
    list_spans,
)
from telemetry.core.registers import Step

PEAK = Period("peak", frozenset({"weekday"}), time(17, 30), time(20, 30))
SUMMER = Period("between", frozenset({"weekday"}), time(16, 30), time(21, 30), ("10-15", "02-15"))
NIGHT = Period("night", frozenset({"holiday", "sunday"}), time(22), time(0))
CALENDAR = BandCalendar((PEAK, SUMMER, NIGHT), frozenset({date(2026, 11, 2)}))
SAO_PAULO = ZoneInfo("America/Sao_Paulo")


@pytest.mark.parametrize(
    ("local", "band"),
    [
        pytest.param("2026-11-03 17:15", "between", id="the first period counts"),
        pytest.param("2026-11-03 17:30", "peak", id="from its start"),
        pytest.param("2026-11-03 20:30", "between", id="not its end"),
        pytest.param("2026-11-03 21:30", "", id="the rest"),
        pytest.param("2026-11-02 18:00", "", id="a holiday is no weekday"),
        pytest.param("2026-11-02 23:45", "night", id="until midnight"),
        pytest.param("2026-11-07 18:00", "", id="Saturday"),
        pytest.param("2026-02-16 17:00", "", id="after the season"),
        pytest.param("2026-02-13 17:00", "between", id="a season over the new year"),
    ],
)
def test_it_knows_the_band_of_a_local_time(local: str, band: str) -> None:
    assert CALENDAR.band_at(datetime.fromisoformat(local)) == band


@pytest.mark.parametrize(
    ("zone", "month", "hours"),
    [
        ("America/Sao_Paulo", (2018, 11), 719),
        ("America/Sao_Paulo", (2019, 2), 673),
        ("Asia/Kolkata", (2026, 11), 720),
        ("Australia/Lord_Howe", (2026, 4), 720.5),
    ],
)
def test_it_covers_a_month_without_a_gap_across_a_change_of_the_clock(
    zone: str, month: tuple[int, int], hours: float
) -> None:
    place = ZoneInfo(zone)
    since = datetime(*month, 1, tzinfo=place).astimezone(UTC)
    until = datetime(*month, 28, tzinfo=place) + timedelta(days=4)
    until = until.replace(day=1).astimezone(UTC)
    spans = list_spans(since, until, CALENDAR, place, cut=HOUR)
    assert (spans[0].since, spans[-1].until) == (since, until)
    assert all(before.until == after.since for before, after in pairwise(spans))
    assert all(span.until - span.since <= HOUR for span in spans)
    assert sum((span.until - span.since for span in spans), timedelta()) == hours * HOUR


def test_it_puts_what_is_consumed_at_a_border_into_the_band_that_ends() -> None:
    at = datetime(2026, 11, 3, 20, 30, tzinfo=UTC)  # 17:30 there
    steps = [
        Step(at - QUARTER, at, Decimal(1), Decimal(1)),
        Step(at, at + QUARTER, Decimal(2), Decimal(3)),
        Step(at + QUARTER, at + 6 * HOUR, Decimal("10"), Decimal(13), longest=HOUR),
    ]
    spans = list_spans(at - HOUR, at + 8 * HOUR, CALENDAR, SAO_PAULO, cut=timedelta(days=99_999))
    bands = consume_by_band(steps, spans)
    assert [(band, of.total) for band, of in bands.items()] == [
        ("between", Decimal("2.7391")), ("peak", Decimal("6.7826")), ("", Decimal("3.4783")),
    ]  # fmt: skip
    assert sum(of.estimated for of in bands.values()) == 10


def test_it_divides_exactly() -> None:
    third = divide(Decimal(10), {"a": Decimal(1), "b": Decimal(1), "c": Decimal(1)})
    assert list(third.values()) == [Decimal("3.3333"), Decimal("3.3333"), Decimal("3.3334")]
    assert divide(Decimal(0), {"a": Decimal(5), "b": Decimal(-5)}) == {"a": 5, "b": -5}


def test_it_finds_the_largest_demand_of_each_band() -> None:
    at = datetime(2026, 11, 3, 20, tzinfo=UTC)
    spans = [Span(at + n * QUARTER, at + (n + 1) * QUARTER, "ab"[n // 2]) for n in range(4)]
    steps = [
        Step(None, at + QUARTER, Decimal(3), Decimal(3)),
        Step(at + QUARTER, at + 2 * QUARTER, Decimal(3), Decimal(6)),
        Step(at + 2 * QUARTER, at + 4 * QUARTER, Decimal(5), Decimal(11)),
    ]
    assert find_demand(steps, spans) == {
        "a": Demand(Decimal(12), at), "b": Demand(Decimal(10), at + 2 * QUARTER),
    }  # fmt: skip
    assert find_demand([], spans) == {}
