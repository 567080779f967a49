"""Hours, days, months, totals, adjustments over the API: exact, bounded, the account's alone."""

from typing import Any

import pytest
from django.test import Client

from telemetry.models import Account, Device
from telemetry.store.db.connection import Connection
from tests.integration.api.conftest import Get, read_problem
from tests.integration.api.test_readings import follow

pytestmark = pytest.mark.integration

DAYS = {"first": "2026-09-01", "until": "2026-10-01"}
HOURS = {"since": "2026-09-01T00:00:00Z", "until": "2026-10-01T00:00:00Z"}


@pytest.fixture
def meter(stocked: Connection, own: Account) -> int:
    """The own account's energy meter, D01."""
    return Device.objects.get(account=own, code="D01", gateway__code="GW-TEST-001").pk


def test_it_gives_hours_as_they_were_refreshed(meter: int, get: Get) -> None:
    items = get("/aggregates/hours", **HOURS, device_id=meter).json()["items"]
    assert [item["hour"] for item in items[:2]] == ["2026-09-01T11:00:00Z", "2026-09-01T12:00:00Z"]
    assert len(items) == 7
    mean = items[0].pop("mean")
    assert float(mean) == 1.5
    assert items[0] == {
        "device_id": meter, "hour": "2026-09-01T11:00:00Z", "total": "1.5", "estimated": "0",
        "minimum": "1.5", "maximum": "1.5", "first": "1.5", "last": "1.5",
        "readings_count": 1,
    }  # fmt: skip


def test_it_gives_days_and_no_total_of_gauges(meter: int, get: Get) -> None:
    items = get("/aggregates/days", **DAYS).json()["items"]
    mine = [item for item in items if item["device_id"] == meter]
    assert [(item["day"], item["total"]) for item in mine] == [
        ("2026-09-01", "3"), ("2026-09-02", "3"), ("2026-09-03", "3"),
        ("2026-09-04", "0.25"),
    ]  # fmt: skip
    gauges = [item for item in items if item["device_id"] != meter]
    assert {(item["total"], item["minimum"]) for item in gauges} == {(None, "-20")}
    keys = [(item["device_id"], item["day"]) for item in items]
    assert keys == sorted(keys)


def test_it_gives_months_as_billed_and_what_was_found_since_apart(meter: int, get: Get) -> None:
    [month] = get("/months", **DAYS, device_id=meter).json()["items"]
    assert (month["month"], month["month_end"]) == ("2026-09-01", "2026-10-01")
    assert (month["total"], month["adjustment"]) == ("9", "0")
    assert (month["state"], month["unit"]) == ("closed", "kWh")
    assert month["coverage"].startswith("0.0083")
    assert month["daily_mean"].startswith("0.3")
    [line] = get("/adjustments", month="2026-09-01", device_id=meter).json()["items"]
    assert (line["difference"], line["device_id"]) == ("0.25", meter)
    assert (line["settled_in"], line["edit_ids"]) == (None, [])
    assert get("/adjustments", month="2026-08-01").json()["items"] == []


def test_it_gives_totals_of_the_account_by_unit(meter: int, get: Get) -> None:
    days = get("/totals/days", **DAYS).json()
    assert days["next"] is None
    assert days["items"][0] == {
        "day": "2026-09-01", "unit": "kWh", "total": "3", "devices_count": 1,
        "readings_count": 2,
    }  # fmt: skip
    [month] = get("/totals/months", **DAYS).json()["items"]
    assert (month["month"], month["total"]) == ("2026-09-01", "9")


@pytest.mark.parametrize(
    ("path", "period"),
    [
        ("/aggregates/hours", HOURS),
        ("/aggregates/days", DAYS),
        ("/months", DAYS),
        ("/gateways", {}),
        ("/devices", {}),
        ("/dead-letters", {}),
        ("/alarms", {}),
        ("/adjustments", {}),
    ],
)
def test_it_gives_the_same_rows_on_pages_of_any_length(
    stocked: Connection, api: Client, get: Get, path: str, period: dict[str, Any]
) -> None:
    whole = get(path, **period).json()
    assert whole["next"] is None
    assert whole["items"]
    for limit in (1, 2):
        assert follow(api, get(path, **period, limit=limit)) == whole["items"]


def test_it_takes_the_usual_period_when_none_is_given(stocked: Connection, get: Get) -> None:
    for path in ("/aggregates/hours", "/aggregates/days", "/months", "/totals/days",
                 "/totals/months"):  # fmt: skip
        assert get(path).status_code == 200, path
    assert get("/months").json()["items"] != []  # a year


def test_it_refuses_periods_that_are_too_long(own: Account, get: Get) -> None:
    long = {"first": "2001-01-01", "until": "2026-01-01"}
    for path, days in (
        ("/aggregates/days", 1_830), ("/totals/days", 93), ("/totals/months", 1_830),
    ):  # fmt: skip
        [error] = read_problem(get(path, **long), status=422)["errors"]
        assert error["name"] == "first"
        assert f"at most {days} days" in error["detail"]
    [error] = read_problem(get("/months", first="1970-01-01", until="2199-01-01"), status=422)[
        "errors"
    ]
    assert "at most 18300 days" in error["detail"]
