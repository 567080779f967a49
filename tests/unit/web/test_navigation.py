"""Earlier, later, closer, wider."""

from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

from hypothesis import given
from hypothesis import strategies as st

from telemetry.web.charts.calendar import Calendar
from telemetry.web.charts.navigation import find_neighbours, shift
from telemetry.web.charts.period import Period, make_zoom, parse_period
from tests.unit.web.test_period import calendars, instants

CALENDAR = Calendar(ZoneInfo("America/Sao_Paulo"), 15)
NOW = datetime(2026, 11, 28, 12, tzinfo=UTC)
LONGEST = timedelta(days=1_827)


def parse(calendar: Calendar = CALENDAR, now: datetime = NOW, **params: str) -> Period:
    period, errors = parse_period(params, calendar=calendar, now=now, longest=LONGEST)
    assert errors == {}
    return period


def test_it_moves_months_by_months_and_days_by_days() -> None:
    before = shift(parse(period="month"), by=-1, calendar=CALENDAR)
    assert (before.first, before.end) == (date(2026, 10, 15), date(2026, 11, 15))
    week = shift(parse(period="7d"), by=-1, calendar=CALENDAR)
    assert (week.first, week.end) == (date(2026, 11, 15), date(2026, 11, 22))
    assert shift(week, by=1, calendar=CALENDAR).first == parse(period="7d").first


def test_it_moves_hours_by_hours() -> None:
    period = parse(period="24h")
    before = shift(period, by=-1, calendar=CALENDAR)
    assert (before.since, before.until) == (period.since - timedelta(days=1), period.since)


def test_it_does_not_go_later_than_now_and_not_closer_than_a_minute() -> None:
    assert find_neighbours(parse(), calendar=CALENDAR, now=NOW, longest=LONGEST).later is None
    since = NOW - timedelta(days=9)
    zoom = make_zoom(since, since + timedelta(seconds=90), calendar=CALENDAR)
    neighbours = find_neighbours(zoom, calendar=CALENDAR, now=NOW, longest=LONGEST)
    assert neighbours.closer is None
    assert neighbours.later is not None
    assert neighbours.wider is not None


@given(
    calendar=calendars,
    now=instants,
    span=st.sampled_from(["24h", "7d", "30d", "month"]),
    steps=st.lists(st.sampled_from(["earlier", "later", "closer", "wider"]), max_size=8),
)
def test_it_arrives_at_periods_that_can_be_chosen(
    calendar: Calendar, now: datetime, span: str, steps: list[str]
) -> None:
    period = parse(calendar, now, period=span)
    for step in steps:
        moved = getattr(find_neighbours(period, calendar=calendar, now=now, longest=LONGEST), step)
        if moved is None:
            continue
        assert parse(calendar, now, **moved.query) == moved
        length, before = moved.until - moved.since, period.until - period.since
        if step == "closer":
            assert length < before
        elif step == "wider":
            assert before < length <= LONGEST
        period = moved
