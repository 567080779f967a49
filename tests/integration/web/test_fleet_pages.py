"""Lists of devices and gateways, and the page of a gateway."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from django.db import connection as django_connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from telemetry.models import Account, Device, Gateway, GatewayEvent
from telemetry.store.db.connection import Connection
from tests.integration.web.site import (
    HOSTILE,
    add_alarm,
    add_dead_letter,
    add_reading,
    fill_account,
    make_account,
    make_device,
    make_gateway,
    sign_in,
)

pytestmark = pytest.mark.integration

MOST_QUERIES = 10
ADDRESSES = ("devices", "gateways")


@pytest.fixture
def account(connection: Connection) -> Account:
    return make_account()


@pytest.fixture
def client(account: Account) -> Client:
    return sign_in(account)


def read(
    client: Client, name: str, account: Account, *more: Any, status: int = 200, **given: Any
) -> str:
    answer = client.get(reverse(name, args=[account.pk, *more]), given)
    assert answer.status_code == status, answer.content[:500]
    return answer.content.decode()


def list_codes(client: Client, account: Account, **given: Any) -> list[str]:
    """The codes of the listed devices, in order."""
    answer = client.get(reverse("devices", args=[account.pk]), given)
    return [row.device.code for row in answer.context["rows"]]


@pytest.mark.parametrize("name", ADDRESSES)
def test_it_says_what_to_do_when_there_is_nothing(
    client: Client, account: Account, name: str
) -> None:
    assert f"No {name} yet" in read(client, name, account)
    assert "Choose other filters" in read(client, name, account, search="x")
    assert "This page is empty" in read(client, name, account, page=2)


@pytest.mark.parametrize("name", ADDRESSES)
def test_it_shows_them_to_members_only(client: Client, account: Account, name: str) -> None:
    foreign = make_account("Other")
    assert Client().get(reverse(name, args=[account.pk])).status_code == 302
    for account_id in (foreign.pk, 999_999, 2**63, 10**30):
        assert client.get(reverse(name, args=[account_id])).status_code == 404


def test_it_lists_nothing_of_another_account(
    client: Client, account: Account, connection: Connection
) -> None:
    other = make_device(make_gateway(make_account("Other"), "FOREIGN", name="Foreign"), "OTHERS-9")
    add_reading(connection, other, at=datetime.now(UTC))
    for name in ADDRESSES:
        page = read(client, name, account)
        assert "FOREIGN" not in page
        assert "OTHERS-9" not in page
    answer = client.get(reverse("devices", args=[account.pk]), {"gateway": other.gateway_id})
    assert answer.status_code == 400, "as for a gateway that does not exist"
    assert client.get(reverse("gateway", args=[account.pk, other.gateway_id])).status_code == 404


def test_it_shows_the_newest_value_with_unit_and_age(
    client: Client, account: Account, connection: Connection
) -> None:
    gateway = make_gateway(account)
    now = datetime.now(UTC)
    device, silent, other = (make_device(gateway, code) for code in ("D01", "D02", "D03"))
    add_reading(connection, device, at=now - timedelta(minutes=9), value="7")
    add_reading(connection, device, at=now - timedelta(minutes=3, seconds=5), value="1234.5000")
    for age_days, value in ((40, 5), (41, 6)):
        add_reading(connection, silent, at=now - timedelta(days=age_days), value=value)
    connection.execute(
        "INSERT INTO daily_aggregate SELECT device_id, time::date, account_id, 1, 1, 1, 1, 1, 1, 1,"
        " 1 FROM reading WHERE device_id = %s",
        [silent.pk],
    )
    page = read(client, "devices", account)
    assert "1,234.5\u00a0kWh" in page
    assert "3\u00a0min" in page
    assert "5\u00a0kWh" in page
    assert "40\u00a0d" in page
    assert page.count("never") == 1, other.code


def test_it_shows_todays_and_this_months_consumption(
    client: Client, account: Account, connection: Connection
) -> None:
    fill_account(connection, account, devices=2)
    connection.execute("UPDATE daily_aggregate SET total = NULL WHERE device_id % 2 = 0")
    page = read(client, "devices", account)
    assert page.count("3.5\u00a0kWh") == 1
    assert page.count("70.25\u00a0kWh") == 2


def test_it_reads_a_month_of_the_accounts_own_calendar(
    account: Account, connection: Connection
) -> None:
    Account.objects.filter(pk=account.pk).update(time_zone="Pacific/Kiritimati", billing_day=28)
    fill_account(connection, account, devices=1)
    page = read(sign_in(account), "devices", account)
    assert "70.25" not in page, "that month begins on the first"


@pytest.fixture
def varied(account: Account, connection: Connection) -> Account:
    """Devices in every state."""
    online = make_gateway(account, "A", is_online=True, last_seen=datetime.now(UTC))
    offline = make_gateway(account, "B", last_seen=datetime.now(UTC))
    retired = make_gateway(account, "C", is_active=False)
    make_device(online, "D1", name="Zebra", group="Hall 1")
    add_alarm(make_device(online, "D2", name="Ape", kind="sensor"), at=datetime.now(UTC))
    make_device(online, "D3", is_active=False)
    make_device(offline, "D4", name="50% off_", unit="")
    make_device(retired, "D5")
    return account


@pytest.mark.parametrize(
    ("given", "codes"),
    [
        pytest.param({}, ["D1", "D2", "D3", "D4", "D5"], id="all, by gateway"),
        pytest.param(
            {"sort": "-device"}, ["D5", "D4", "D3", "D2", "D1"], id="by code, from the end"
        ),
        pytest.param({"sort": "name"}, ["D3", "D5", "D4", "D2", "D1"], id="by name"),
        pytest.param({"kind": "sensor"}, ["D2"], id="sensors"),
        pytest.param({"group": "Hall 1"}, ["D1"], id="of a group"),
        pytest.param({"state": "active"}, ["D1", "D2", "D4"], id="active"),
        pytest.param({"state": "inactive"}, ["D3", "D5"], id="inactive"),
        pytest.param({"state": "alarm"}, ["D2"], id="in alarm"),
        pytest.param({"state": "offline"}, ["D4"], id="behind a gateway that is not online"),
        pytest.param({"search": "zEb"}, ["D1"], id="a part of the name"),
        pytest.param({"search": "0% off_"}, ["D4"], id="signs that databases know"),
        pytest.param({"search": "%"}, ["D4"], id="a sign for everything stands for itself"),
        pytest.param({"search": "'"}, [], id="a quote"),
    ],
)
def test_it_filters_and_sorts_devices(
    client: Client, varied: Account, given: dict[str, str], codes: list[str]
) -> None:
    assert list_codes(client, varied, **given) == codes


def test_it_filters_by_gateway(client: Client, varied: Account) -> None:
    gateway = Gateway.objects.get(code="B")
    assert list_codes(client, varied, gateway=gateway.pk) == ["D4"]


@pytest.mark.parametrize(
    ("state", "codes"),
    [
        pytest.param("online", ["A"], id="online"),
        pytest.param("offline", ["B"], id="offline"),
        pytest.param("new", ["N"], id="never seen"),
        pytest.param("inactive", ["C"], id="inactive"),
        pytest.param("", ["A", "B", "C", "N"], id="all"),
    ],
)
def test_it_filters_gateways(client: Client, varied: Account, state: str, codes: list[str]) -> None:
    make_gateway(varied, "N")
    answer = client.get(reverse("gateways", args=[varied.pk]), {"state": state})
    assert [row.gateway.code for row in answer.context["rows"]] == codes
    if state:
        assert {row.state for row in answer.context["rows"]} == {state}


@pytest.mark.parametrize("name", ADDRESSES)
@pytest.mark.parametrize(
    ("given", "words"),
    [
        pytest.param({"page": "x"}, "Enter a whole number", id="page is no number"),
        pytest.param({"page": "0"}, "greater than or equal to 1", id="page 0"),
        pytest.param({"page": "9" * 30}, "less than or equal to 1000", id="page far away"),
        pytest.param({"state": "?"}, "Select a valid choice", id="no such state"),
        pytest.param({"search": "a\x00b"}, "Null characters", id="a zero byte"),
        pytest.param({"search": "a" * 101}, "at most 100 characters", id="a search too long"),
    ],
)
def test_it_says_what_is_wrong_with_a_filter(
    client: Client, account: Account, name: str, given: dict[str, str], words: str
) -> None:
    page = read(client, name, account, status=400, **given)
    assert words in page
    assert "These filters are invalid" in page


@pytest.mark.parametrize(
    "given", [{"gateway": "x"}, {"gateway": "9" * 30}, {"kind": "x"}, {"group": "x"}, {"sort": "x"}]
)
def test_it_says_what_is_wrong_with_a_filter_of_devices(
    client: Client, account: Account, given: dict[str, str]
) -> None:
    assert "Select a valid choice" in read(client, "devices", account, status=400, **given)


def test_it_escapes_hostile_names(client: Client, account: Account, connection: Connection) -> None:
    gateway = make_gateway(
        account, HOSTILE, name=HOSTILE, location=HOSTILE, firmware_version=HOSTILE
    )
    device = make_device(gateway, "<i>&", name=HOSTILE, unit="<b>")
    add_reading(connection, device, at=datetime.now(UTC), unit="<b>")
    add_dead_letter(gateway, at=datetime.now(UTC), detail=HOSTILE, payload=HOSTILE.encode())
    for page in (
        read(client, "devices", account),
        read(client, "devices", account, search=HOSTILE),
        read(client, "gateways", account),
        read(client, "gateway", account, gateway.pk),
    ):
        for raw in ("<script>alert", "<i>&", "<b>"):
            assert raw not in page


def test_it_pages_through_many_devices(
    client: Client, account: Account, connection: Connection
) -> None:
    fill_account(connection, account, devices=120)
    seen: list[tuple[str, str]] = []
    for number in (1, 2, 3):
        answer = client.get(reverse("devices", args=[account.pk]), {"page": number})
        seen += [(row.device.gateway.code, row.device.code) for row in answer.context["rows"]]
        assert ('rel="next"' in answer.content.decode()) == (number < 3)
    assert len(set(seen)) == 120
    assert seen == sorted(seen)
    assert "120 devices" in answer.content.decode()


def test_it_lists_many_devices_with_few_queries(
    client: Client, account: Account, connection: Connection
) -> None:
    fill_account(connection, account, devices=1_000)
    for given in ({}, {"state": "alarm", "search": "Meter", "sort": "-name", "page": 3}):
        read(client, "devices", account)
        with CaptureQueriesContext(django_connection) as queries:
            page = read(client, "devices", account, **given)
        assert len(queries) <= MOST_QUERIES, [query["sql"] for query in queries]
        assert len(page) < 120_000


def test_it_lists_many_gateways_with_few_queries(
    client: Client, account: Account, connection: Connection
) -> None:
    fill_account(connection, account, devices=1_000)
    read(client, "gateways", account)
    with CaptureQueriesContext(django_connection) as queries:
        page = read(client, "gateways", account)
    assert len(queries) <= MOST_QUERIES
    assert "125 gateways" in page


def test_it_counts_the_dead_letters_that_wait(
    client: Client, account: Account, connection: Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    gateway, now = make_gateway(account), datetime.now(UTC)
    for _ in range(3):
        add_dead_letter(gateway, at=now)
    add_dead_letter(gateway, at=now, state="replayed")
    add_dead_letter(gateway, at=now, account_id=make_account("Former").pk)
    answer = client.get(reverse("gateways", args=[account.pk]))
    assert [row.dead_letters for row in answer.context["rows"]] == [3]
    monkeypatch.setattr("telemetry.store.reads.gateway_activity.MOST_DEAD_LETTERS", 2)
    monkeypatch.setattr("telemetry.web.fleet.gateways.MOST_DEAD_LETTERS", 2)
    assert ">2+<" in read(client, "gateways", account)


def test_it_shows_the_presence_of_a_gateway(client: Client, account: Account) -> None:
    now = datetime.now(UTC)
    gateway = make_gateway(account, is_online=True, last_seen=now - timedelta(seconds=30))
    for days_ago, kind in ((30, "online"), (6, "offline"), (5, "online")):
        GatewayEvent.objects.create(gateway=gateway, kind=kind, at=now - timedelta(days=days_ago))
    page = read(client, "gateway", account, gateway.pk)
    assert "85.7\u00a0%" in page, "six of seven days"
    assert page.count("<rect") == 3
    assert "30 seconds ago" in page
    assert page.count("</td></tr>") == 3


def test_it_measures_uptime_from_a_gateways_first_event(client: Client, account: Account) -> None:
    now = datetime.now(UTC)
    gateway = make_gateway(account)
    assert "There is no record of presence" in read(client, "gateway", account, gateway.pk)
    GatewayEvent.objects.create(gateway=gateway, kind="online", at=now - timedelta(days=2))
    GatewayEvent.objects.create(gateway=gateway, kind="offline", at=now - timedelta(days=1))
    assert "50\u00a0%" in read(client, "gateway", account, gateway.pk)


def test_it_shows_devices_and_dead_letters_of_a_gateway(
    client: Client, account: Account, connection: Connection
) -> None:
    now = datetime.now(UTC)
    gateway, other = make_gateway(account), make_gateway(account, "GW2")
    device = make_device(gateway, "D01", name="Main meter", measurement="cumulative")
    add_reading(connection, device, at=now, value=Decimal("41.5"))
    add_alarm(device, at=now)
    make_device(other, "Z99")
    add_dead_letter(gateway, at=now, occurrences=7, detail="not JSON: 'x'", payload=b"x" * 5_000)
    add_dead_letter(
        gateway, at=now, account_id=make_account("Former").pk, detail="of a former owner"
    )
    page = read(client, "gateway", account, gateway.pk)
    for words in ("D01", "Main meter", "cumulative", "41.5\u00a0kWh", "in alarm", "bad_json",
        ">7<", "not JSON: &#x27;x&#x27;", "x" * 2_000, "Only the beginning is shown"):  # fmt: skip
        assert words in page, words
    for words in ("Z99", "x" * 2_001, "of a former owner"):
        assert words not in page


def test_it_bounds_the_page_of_a_gateway(
    client: Client, account: Account, connection: Connection
) -> None:
    now = datetime.now(UTC)
    gateway = make_gateway(account, max_devices=500, last_seen=now)
    Device.objects.bulk_create(
        Device(gateway=gateway, account=account, code=f"D{number:03}") for number in range(120)
    )
    GatewayEvent.objects.bulk_create(
        GatewayEvent(
            gateway=gateway, kind=("online", "offline")[number % 2],
            at=now - timedelta(minutes=number),
        )
        for number in range(3_000)
    )  # fmt: skip
    for _ in range(30):
        add_dead_letter(gateway, at=now, payload=b"y" * 60_000)
    read(client, "gateway", account, gateway.pk)
    with CaptureQueriesContext(django_connection) as queries:
        page = read(client, "gateway", account, gateway.pk)
    assert len(queries) <= MOST_QUERIES + 1, "its devices have no readings: a second look"
    assert len(page) < 200_000
    assert "All devices of this gateway" in page


def test_it_shows_no_presence_of_the_account_before(connection: Connection) -> None:
    gateway = make_gateway(make_account("Former"))
    GatewayEvent.objects.create(
        gateway=gateway, kind="offline", at=datetime.now(UTC) - timedelta(hours=3)
    )
    gateway.account = make_account("New")
    gateway.save()
    client = sign_in(gateway.account)
    context = client.get(f"/accounts/{gateway.account_id}/gateways/{gateway.pk}/").context
    assert context["events"] == []
