"""Reads of periods without bounds are rejected before they run."""

from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest

from telemetry.store.reads.account_totals import (
    compare_devices,
    find_top_consumers,
    read_account_days,
    read_account_months,
)
from telemetry.store.reads.bounds import PeriodError
from telemetry.store.reads.chart_series import (
    read_day_series,
    read_hour_series,
    read_minutes,
    read_single_readings,
)

INSTANT = datetime(2026, 1, 1, tzinfo=UTC)
INSTANT_QUESTIONS: dict[str, tuple[Callable[..., Any], dict[str, Any], timedelta]] = {
    "hours": (read_hour_series, {"device_ids": [1]}, timedelta(days=93)),
    "minutes": (read_minutes, {"device_id": 1}, timedelta(hours=25)),
    "readings": (read_single_readings, {"device_id": 1}, timedelta(hours=25)),
}
DAY_QUESTIONS: dict[str, tuple[Callable[..., Any], dict[str, Any], int]] = {
    "days": (read_day_series, {"device_ids": [1]}, 1_830),
    "comparison": (compare_devices, {"device_ids": [1]}, 1_830),
    "days of an account": (read_account_days, {}, 93),
    "months of an account": (read_account_months, {}, 1_830),
    "largest consumers": (find_top_consumers, {"unit": "kWh"}, 93),
}


@pytest.mark.parametrize("name", INSTANT_QUESTIONS)
def test_it_refuses_instants_that_are_too_far_apart_out_of_order_or_without_zone(name: str) -> None:
    ask, given, longest = INSTANT_QUESTIONS[name]
    late = INSTANT + longest + timedelta(seconds=1)
    with pytest.raises(PeriodError, match=f"too long: expected at most {longest.days} days"):
        ask(1, since=INSTANT, until=late, **given)
    with pytest.raises(PeriodError, match="is empty: expected an end after the start"):
        ask(1, since=INSTANT, until=INSTANT, **given)
    with pytest.raises(PeriodError, match="2026-01-01 00:00:00 has no time zone"):
        ask(1, since=INSTANT.replace(tzinfo=None), until=late, **given)


@pytest.mark.parametrize("name", DAY_QUESTIONS)
def test_it_refuses_days_that_are_too_far_apart_or_out_of_order(name: str) -> None:
    ask, given, days = DAY_QUESTIONS[name]
    first = date(2000, 1, 1)
    with pytest.raises(PeriodError, match=f"too long: expected at most {days} days"):
        ask(1, first=first, until=first + timedelta(days=days + 1), **given)
    with pytest.raises(PeriodError, match="is empty: expected an end after the start"):
        ask(1, first=first, until=first, **given)


def test_it_refuses_to_compare_more_devices_than_a_page_can_show() -> None:
    with pytest.raises(PeriodError, match="101 devices: expected at most 100"):
        compare_devices(1, device_ids=range(101), first=date(2026, 1, 1), until=date(2026, 1, 2))
