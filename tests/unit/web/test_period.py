"""Periods from an address, in the account's time zone."""

from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from telemetry.web.charts.calendar import Calendar, ceil_hour, floor_hour
from telemetry.web.charts.period import Period, Span, make_zoom, parse_period

SAO_PAULO = Calendar(ZoneInfo("America/Sao_Paulo"), 15)
ZONES = (
    "UTC", "America/Sao_Paulo", "America/New_York", "Europe/Lisbon", "Atlantic/Azores",
    "Asia/Kolkata", "Australia/Lord_Howe", "Pacific/Kiritimati", "Africa/Casablanca",
)  # fmt: skip
NOW = datetime(2026, 11, 28, 2, 36, 48, tzinfo=UTC)  # the evening of the 27th in Brazil
LONGEST = timedelta(days=93)

calendars = st.builds(
    Calendar, zone=st.sampled_from(ZONES).map(ZoneInfo), billing=st.integers(1, 31)
)
instants = st.timedeltas(timedelta(0), timedelta(days=365 * 90)).map(
    lambda after: datetime(2005, 1, 1, tzinfo=UTC) + after
)


def parse(calendar: Calendar = SAO_PAULO, now: datetime = NOW, **params: str) -> Period:
    period, errors = parse_period(params, calendar=calendar, now=now, longest=LONGEST)
    assert errors == {}
    return period


def refuse(**params: str) -> str:
    """The field with a message; the usual period stands in."""
    period, errors = parse_period(params, calendar=SAO_PAULO, now=NOW, longest=LONGEST)
    assert period == parse()
    [(field, message)] = errors.items()
    assert str(message)
    return field


def test_it_shows_this_billing_month_when_none_is_chosen() -> None:
    assert parse() == parse(period="month")


def test_it_shows_seven_local_days_up_to_today() -> None:
    period = parse(period="7d")
    assert (period.span, period.first, period.end) == (
        Span.WEEK, date(2026, 11, 21), date(2026, 11, 28),
    )  # fmt: skip
    assert period.since == datetime(2026, 11, 21, 3, tzinfo=UTC)
    assert period.until == datetime(2026, 11, 28, 3, tzinfo=UTC)


def test_it_takes_the_hour_under_way_and_the_23_before_it_when_a_day_is_chosen() -> None:
    period = parse(period="24h")
    assert period.since == datetime(2026, 11, 27, 3, tzinfo=UTC)
    assert period.until == datetime(2026, 11, 28, 3, tzinfo=UTC)
    assert (period.first, period.end) == (date(2026, 11, 27), date(2026, 11, 28))


def test_it_takes_billing_months_by_the_month_in_which_they_begin() -> None:
    under_way = parse(period="month")
    assert (under_way.first, under_way.end) == (date(2026, 11, 15), date(2026, 12, 15))
    october = parse(period="month", month="2026-10")
    assert (october.first, october.end) == (date(2026, 10, 15), date(2026, 11, 15))


def test_it_knows_a_range_without_its_name_and_counts_the_last_day() -> None:
    period = parse(SAO_PAULO, NOW, **{"from": "2026-11-01", "to": "2026-11-01"})
    assert period.span is Span.RANGE
    assert period.until - period.since == timedelta(days=1)


@pytest.mark.parametrize(
    ("params", "field"),
    [
        ({"period": "fortnight"}, "period"),
        ({"period": "month", "month": "2026-13"}, "month"),
        ({"period": "month", "month": "1999-12"}, "month"),
        ({"period": "range", "from": "", "to": "2026-11-01"}, "from"),
        ({"period": "range", "from": "2026-11-01", "to": "soon"}, "to"),
        ({"from": "2026-11-02", "to": "2026-11-01"}, "to"),
        ({"from": "2026-01-01", "to": "2026-11-01"}, "to"),
        ({"from": "0001-01-01", "to": "9999-12-31"}, "from"),
        ({"period": "zoom", "since": "x", "until": "2026-11-01T00:00Z"}, "since"),
        ({"period": "zoom", "since": "2026-11-01T00:00Z", "until": ""}, "until"),
        ({"period": "zoom", "since": "2026-11-01T00:00Z", "until": "2026-11-01T00:00:59Z"},
            "until"),
        ({"period": "zoom", "since": "2026-01-01T00:00Z", "until": "2026-11-01T00:00Z"}, "until"),
        ({"period": "zoom", "since": "0001-01-01T00:00+14:00", "until": "9999-12-31T23:00-12:00"},
            "since"),
    ],
)  # fmt: skip
def test_it_puts_a_message_at_the_field_that_cannot_be_understood(
    params: dict[str, str], field: str
) -> None:
    assert refuse(**params) == field


def test_it_reads_a_zoom_without_offset_on_the_accounts_clock() -> None:
    period = parse(period="zoom", since="2026-11-01T10:00", until="2026-11-01T12:00")
    assert period.since == datetime(2026, 11, 1, 13, tzinfo=UTC)


def test_it_widens_a_zoom_to_whole_hours_and_days_as_it_grows() -> None:
    since = datetime(2026, 11, 1, 10, 20, tzinfo=UTC)

    def widen(**length: float) -> tuple[datetime, datetime]:
        period = make_zoom(since, since + timedelta(**length), calendar=SAO_PAULO)
        return period.since, period.until

    assert widen(hours=20) == (since, since + timedelta(hours=20))
    assert widen(hours=30) == (floor_hour(since), ceil_hour(since + timedelta(hours=30)))
    assert widen(days=9) == (
        datetime(2026, 11, 1, 3, tzinfo=UTC),
        datetime(2026, 11, 11, 3, tzinfo=UTC),
    )


@given(
    calendar=calendars,
    now=instants,
    span=st.sampled_from(["24h", "7d", "30d", "month"]),
)
def test_it_gives_the_same_period_when_its_own_address_is_parsed(
    calendar: Calendar, now: datetime, span: str
) -> None:
    period = parse(calendar, now, period=span)
    assert parse(calendar, now, **period.query) == period
    assert period.since <= now < period.until
    assert calendar.day_of(period.since) == period.first
    assert period.until <= calendar.start_of(period.end)


@given(
    calendar=calendars,
    since=instants,
    length=st.timedeltas(timedelta(minutes=1), LONGEST),
)
def test_it_gives_the_same_zoom_when_its_own_address_is_parsed(
    calendar: Calendar, since: datetime, length: timedelta
) -> None:
    since = since.replace(microsecond=0)
    params = {"period": "zoom", "since": since.isoformat(), "until": (since + length).isoformat()}
    period = parse(calendar, NOW, **params)
    assert parse(calendar, NOW, **period.query) == period
    assert period.since <= since
    assert period.until >= (since + length).replace(microsecond=0)
