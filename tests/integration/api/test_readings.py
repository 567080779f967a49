"""Readings over the API: pages, periods, filters, exact values."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.test import Client

from telemetry.models import Account, Device
from telemetry.store.db.connection import Connection
from tests.integration.api.conftest import Get, read_problem

pytestmark = pytest.mark.integration

START = datetime(2026, 9, 1, tzinfo=UTC)
PERIOD = {"since": "2026-09-01T00:00:00Z", "until": "2026-09-02T00:00:00Z"}


@pytest.fixture
def meters(seeded: Connection, own: Account) -> list[Device]:
    """The own account's devices, without readings."""
    seeded.execute("DELETE FROM reading")
    return list(Device.objects.filter(account=own).order_by("pk"))


def put(connection: Connection, device: Device, *values: str, start: datetime = START) -> None:
    """A reading each minute."""
    for number, value in enumerate(values):
        connection.execute(
            "INSERT INTO reading (device_id, time, value, received_at, unit, account_id,"
            " gateway_id) VALUES (%s, %s, %s, %s, 'kWh', %s, %s)",
            [
                device.pk, start + timedelta(minutes=number), value, start, device.account_id,
                device.gateway_id,
            ],
        )  # fmt: skip


def follow(client: Client, first: Any) -> list[Any]:
    """The rows of a page and of all that come after it."""
    items, page = list(first.json()["items"]), first.json()
    while page["next"]:
        page = client.get(page["next"]).json()
        items += page["items"]
    return items


def test_it_gives_exact_values_in_utc(seeded: Connection, meters: Any, get: Get) -> None:
    put(seeded, meters[0], "123.45", "-0.0001", "99999999999.9999")
    answer = get("/readings", **PERIOD, order="oldest").json()
    assert [item["value"] for item in answer["items"]] == [
        "123.45", "-0.0001", "99999999999.9999",
    ]  # fmt: skip
    assert answer["items"][0] == {
        "time": "2026-09-01T00:00:00Z",
        "device_id": meters[0].pk,
        "gateway_id": meters[0].gateway_id,
        "value": "123.45",
        "unit": "kWh",
        "received_at": "2026-09-01T00:00:00Z",
    }
    assert answer["next"] is None


@pytest.mark.parametrize("order", ["newest", "oldest"])
def test_it_follows_pages_to_the_end(
    seeded: Connection, meters: Any, api: Client, get: Get, order: str
) -> None:
    for device in meters[:3]:
        put(seeded, device, *map(str, range(7)))
    items = follow(api, get("/readings", **PERIOD, order=order, limit=4))
    keys = [(item["time"], item["device_id"]) for item in items]
    assert keys == sorted(keys, reverse=order == "newest")
    assert len(set(keys)) == 21


def test_it_keeps_the_period_of_the_first_page(seeded: Connection, meters: Any, get: Get) -> None:
    now = datetime.now(UTC)
    put(seeded, meters[0], "1", "2", "3", start=now - timedelta(minutes=9))
    page = get("/readings", limit=1).json()
    assert "since=" in page["next"]
    assert "until=" in page["next"]


def test_it_narrows_to_devices_and_gateways(seeded: Connection, meters: Any, get: Get) -> None:
    for device in meters:
        put(seeded, device, "1")
    two = [meters[0].pk, meters[2].pk]
    found = get("/readings", **PERIOD, device_id=two, order="oldest").json()["items"]
    assert [item["device_id"] for item in found] == two
    gateway = meters[-1].gateway_id
    found = get("/readings", **PERIOD, gateway_id=gateway).json()["items"]
    assert {item["gateway_id"] for item in found} == {gateway}
    both = get("/readings", **PERIOD, device_id=meters[0].pk, gateway_id=gateway)
    assert read_problem(both, status=404)


def test_it_says_the_same_of_foreign_and_missing_devices(foreign: Account, get: Get) -> None:
    device = Device.objects.filter(account=foreign)[0]
    for path, names in (
        ("/readings", {"device_id": device.pk}),
        ("/readings", {"gateway_id": device.gateway_id}),
        ("/aggregates/hours", {"device_id": device.pk}),
        ("/aggregates/days", {"gateway_id": device.gateway_id}),
        ("/months", {"device_id": device.pk}),
        ("/adjustments", {"device_id": device.pk}),
        ("/dead-letters", {"gateway_id": device.gateway_id}),
        ("/devices", {"gateway_id": device.gateway_id}),
    ):
        missing = get(path, **dict.fromkeys(names, 2**40))
        assert read_problem(get(path, **names), status=404) == missing.json()


@pytest.mark.parametrize(
    ("path", "parameters", "name", "words"),
    [
        ("/readings", {"limit": "0"}, "limit", "greater than or equal to 1"),
        ("/readings", {"limit": "1001"}, "limit", "less than or equal to 1000"),
        ("/readings", {"limit": "1.0"}, "limit", "whole number"),
        ("/readings", {"limit": "9" * 400}, "limit", "whole number"),
        ("/readings", {"device_id": "\0"}, "device_id", "whole number"),
        ("/readings", {"device_id": ["1", "x"]}, "device_id", "whole number"),
        ("/readings", {"device_id": [1] * 101}, "device_id", "at most 100"),
        ("/readings", {"device_id": "9999999999999999999"}, "device_id", "less than or equal"),
        ("/readings", {"since": "yesterday"}, "since", "2026-11-01T12:00:00Z"),
        ("/readings", {"since": "2026-09-01"}, "since", "with offset"),
        ("/readings", {"since": "2026-09-01T00:00:00 00:00"}, "since", "%2B"),
        ("/readings", {"since": "2026-02-30T00:00:00Z"}, "since", "no such date"),
        ("/readings", {"until": "9999-12-31T23:59:59-23:59"}, "until", "no such date"),
        ("/readings", {"until": "0001-01-01T00:00:00Z"}, "until", "1970 to 2199"),
        ("/readings", {"since": "1700000000"}, "since", "expected an instant"),
        ("/readings", {"since": "2026-09-03T00:00:00Z", "until": "2026-09-02T00:00:00Z"}, "until",
         "later than since"),
        ("/readings", {"since": "2026-01-01T00:00:00Z", "until": "2026-09-02T00:00:00Z"}, "since",
         "at most 31 days"),
        ("/readings", {"order": "sideways"}, "order", "'newest' or 'oldest'"),
        ("/readings", {"cursor": "AAAA"}, "cursor", "the one in `next`"),
        ("/readings", {"cursor": "\ud800"}, "cursor", "pattern"),
        ("/readings", {"cursor": "OTk5OTk5OTk5OTk5OTk5OTk5LjE"}, "cursor", "the one in `next`"),
        ("/readings", {"from": "2026-09-01T00:00:00Z"}, "from", "known are: cursor, device_id"),
        ("/aggregates/days", {"first": "2026-9-1"}, "first", "a day such as 2026-11-01"),
        ("/aggregates/days", {"first": "2026-02-30"}, "first", "no such day"),
        ("/aggregates/days", {"until": "9999-12-31"}, "until", "1970 to 2199"),
        ("/aggregates/days", {"cursor": "MS45OTk5OTk5OTk5"}, "cursor", "the one in `next`"),
        ("/gateways", {"is_online": "yes"}, "is_online", "true or false"),
        ("/devices", {"kind": "\0"}, "kind", "'meter'"),
        ("/dead-letters", {"reason": "boredom"}, "reason", "'bad_topic'"),
        ("", {"verbose": "1"}, "verbose", "known are: none"),
    ],
)  # fmt: skip
def test_it_names_the_parameter_that_is_wrong(
    get: Get, path: str, parameters: dict[str, Any], name: str, words: str
) -> None:
    given = {
        key: value.encode("utf-8", "surrogatepass") if isinstance(value, str) else value
        for key, value in parameters.items()
    }
    problem = read_problem(get(path, **given), status=422)
    [error] = problem["errors"]
    assert (error["in"], error["name"]) == ("query", name)
    assert words in error["detail"]
    assert name in problem["detail"]


@pytest.mark.parametrize("account_id", ["0", "-1", "x", "1.0", "%00", "9" * 30, "%ED%A0%80"])
def test_it_refuses_an_account_that_is_no_number(api: Client, account_id: str) -> None:
    response = api.get(f"/api/v1/accounts/{account_id}/readings")
    [error] = read_problem(response, status=422)["errors"]
    assert (error["in"], error["name"]) == ("path", "account_id")
