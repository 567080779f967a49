"""Marks of a time axis."""

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from django.utils.translation import override
from hypothesis import given
from hypothesis import strategies as st

from telemetry.web.charts.ticks import MOST_TICKS, choose_ticks
from tests.unit.web.test_period import ZONES, instants


@given(
    since=instants,
    length=st.timedeltas(timedelta(minutes=1), timedelta(days=1_830)),
    zone=st.sampled_from(ZONES).map(ZoneInfo),
)
def test_it_marks_a_handful_of_round_times_inside(
    since: datetime, length: timedelta, zone: ZoneInfo
) -> None:
    ticks = choose_ticks(since, since + length, zone=zone)
    assert len(ticks) <= MOST_TICKS + 2
    instants = [tick.at for tick in ticks]
    assert instants == sorted(set(instants))
    assert all(since <= at <= since + length for at in instants)
    assert all(at.astimezone(zone).second == 0 for at in instants)
    if length > timedelta(days=9):
        assert all(at.astimezone(zone).hour in (0, 1) for at in instants)


@pytest.mark.parametrize(
    ("length", "labels"),
    [
        (timedelta(hours=1), ["23:50", "28 Nov", "00:10", "00:20", "00:30", "00:40"]),
        (timedelta(days=1), ["28 Nov", "03:00", "06:00", "09:00", "12:00", "15:00", "18:00",
            "21:00"]),
        (timedelta(days=4), ["28 Nov", "12:00", "29 Nov", "12:00", "30 Nov", "12:00", "1 Dec",
            "12:00"]),
        (timedelta(days=400), ["Jan 2027", "Mar 2027", "May 2027", "Jul 2027", "Sep 2027",
            "Nov 2027", "Jan 2028"]),
    ],
)  # fmt: skip
def test_it_says_the_day_at_midnight_and_the_time_elsewhere(
    length: timedelta, labels: list[str]
) -> None:
    zone = ZoneInfo("America/Sao_Paulo")
    since = datetime(2026, 11, 27, 23, 45, tzinfo=zone).astimezone(UTC)
    with override("en"):
        found = [tick.label for tick in choose_ticks(since, since + length, zone=zone)]
    assert found == labels
