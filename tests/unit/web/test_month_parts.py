"""Which parts of months the cards compare."""

from datetime import UTC, date, datetime
from zoneinfo import ZoneInfo

from hypothesis import given

from telemetry.web.charts.calendar import Calendar
from telemetry.web.overview.month_parts import Part, choose_parts
from tests.unit.web.test_period import calendars, instants


def choose(zone: str, billing_day: int, *now: int, known: datetime | None = None) -> list[Part]:
    at = datetime(*now, tzinfo=ZoneInfo(zone)).astimezone(UTC)  # type: ignore[arg-type, misc]
    calendar = Calendar(ZoneInfo(zone), billing_day)
    return list(choose_parts(calendar, now=at, known_until=known or at))


def test_it_compares_whole_hours_with_the_same_hours_of_the_month_before() -> None:
    part, before = choose("America/Sao_Paulo", 15, 2026, 11, 28, 5, 36)
    assert (part.month, part.day) == (date(2026, 11, 15), date(2026, 11, 28))
    assert part.since == datetime(2026, 11, 28, 3, tzinfo=UTC)
    assert part.until == datetime(2026, 11, 28, 8, tzinfo=UTC)
    assert (before.month, before.day) == (date(2026, 10, 15), date(2026, 10, 28))
    assert before.until == datetime(2026, 10, 28, 8, tzinfo=UTC)


def test_it_goes_by_the_clock_where_the_offset_was_another() -> None:
    part, before = choose("America/New_York", 1, 2026, 11, 3, 5, 10)
    assert part.until.hour == 10
    assert before.until == datetime(2026, 10, 3, 9, tzinfo=UTC)


def test_it_takes_the_last_day_of_a_shorter_month() -> None:
    _, before = choose("UTC", 1, 2026, 3, 31, 5)
    assert before.day == date(2026, 2, 28)


def test_it_takes_the_whole_hours_of_days_that_begin_inside_one() -> None:
    part, before = choose("Asia/Kolkata", 1, 2026, 11, 28, 5, 36)
    assert part.since == datetime(2026, 11, 27, 19, tzinfo=UTC)
    assert part.until == datetime(2026, 11, 28, 0, tzinfo=UTC)
    assert before.since == datetime(2026, 10, 27, 19, tzinfo=UTC)


def test_it_compares_no_hours_that_were_not_refreshed() -> None:
    known = datetime(2026, 11, 28, 1, 59, tzinfo=UTC)
    part, before = choose("UTC", 1, 2026, 11, 28, 5, 36, known=known)
    assert (part.until.hour, before.until.hour) == (1, 1)
    early, _ = choose("UTC", 1, 2026, 11, 28, 0, 20)
    assert not early.has_hours


@given(calendar=calendars, now=instants)
def test_it_stays_inside_the_days_that_it_names(calendar: Calendar, now: datetime) -> None:
    part, before = choose_parts(calendar, now=now, known_until=now)
    assert before.month < before.day < part.month <= part.day or before.month <= before.day
    for one in (part, before):
        assert calendar.month_of(one.day) == one.month
        assert one.since <= one.until
        assert calendar.start_of(one.day) <= one.since
        if one.has_hours:
            assert calendar.day_of(one.since) == one.day
    assert part.until <= now or not part.has_hours
