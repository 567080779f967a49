"""With which other period the page of a device compares, and where that lies in the one shown."""

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from telemetry.web.charts.calendar import Calendar
from telemetry.web.charts.period import parse_period
from telemetry.web.device.compare import read_choice

CALENDAR = Calendar(ZoneInfo("America/New_York"), 1)
NOW = datetime(2026, 11, 18, 15, 20, tzinfo=UTC)
OCTOBER = {"period": "month", "month": "2026-10"}
WEEK = {"from": "2026-11-02", "to": "2026-11-08"}


def choose(period: dict[str, str], **given: str) -> tuple[str, str, str]:
    """First and last day of the other period, and its name."""
    shown, _ = parse_period(period, calendar=CALENDAR, now=NOW, longest=timedelta(days=400))
    choice = read_choice(given, period=shown, calendar=CALENDAR)
    assert choice.compared is not None
    other = choice.compared.period
    assert other.until - other.since <= shown.until - shown.since + timedelta(hours=1)
    return str(other.first), str(other.end - timedelta(days=1)), choice.compared.name


@pytest.mark.parametrize(
    ("period", "given", "expected"),
    [
        pytest.param(OCTOBER, {"compare": "before"},
            ("2026-09-01", "2026-09-30", "September 2026"), id="month_before"),
        pytest.param(OCTOBER, {"compare": "weekday"},
            ("2026-08-27", "2026-09-26", "27 Aug \u2013 26 Sep 2026"), id="month_of_weekdays"),
        pytest.param(OCTOBER, {"compare": "year"},
            ("2025-10-02", "2025-11-01", "2 Oct \u2013 1 Nov 2025"), id="month_a_year_before"),
        pytest.param(WEEK, {"compare": "weekday"},
            ("2026-10-26", "2026-11-01", "26 Oct \u2013 1 Nov 2026"), id="week_of_weekdays"),
        pytest.param(WEEK, {"compare": "from", "compare_from": "2026-01-05"},
            ("2026-01-05", "2026-01-11", "5\u201311 Jan 2026"), id="any_days"),
        pytest.param({"period": "24h"}, {"compare": "weekday"},
            ("2026-11-10", "2026-11-11", "10 Nov 11:00 \u2013 11 Nov 11:00"), id="hours"),
    ],
)  # fmt: skip
def test_it_finds_the_other_period(
    period: dict[str, str], given: dict[str, str], expected: tuple[str, str, str]
) -> None:
    assert choose(period, **given) == expected


def test_it_moves_by_the_local_clock_over_a_change_of_it() -> None:
    """On 1 November 2026 the clocks of New York went back."""
    shown, _ = parse_period(WEEK, calendar=CALENDAR, now=NOW, longest=timedelta(days=400))
    found = read_choice({"compare": "before"}, period=shown, calendar=CALENDAR).compared
    assert found is not None
    noon = datetime(2026, 10, 26, 12, tzinfo=CALENDAR.zone)
    moved = found.align(noon.astimezone(UTC), calendar=CALENDAR)
    assert moved == datetime(2026, 11, 2, 12, tzinfo=CALENDAR.zone)


@pytest.mark.parametrize(
    ("given", "field"),
    [
        ({"compare": "moon"}, "compare"),
        ({"compare": "from", "compare_from": "soon"}, "compare_from"),
        ({"compare": "from", "compare_from": "1999-01-01"}, "compare_from"),
    ],
)
def test_it_says_what_cannot_be_understood(given: dict[str, str], field: str) -> None:
    shown, _ = parse_period(WEEK, calendar=CALENDAR, now=NOW, longest=timedelta(days=400))
    choice = read_choice(given, period=shown, calendar=CALENDAR)
    assert (choice.compared, choice.pairs, list(choice.errors)) == (None, (), [field])
