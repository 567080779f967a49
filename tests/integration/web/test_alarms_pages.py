"""The page of alarms: what is open, what was, who saw it."""

from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest
from django.db import connection as django_connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from telemetry.models import Account, Alarm, Device, User
from telemetry.store.db.connection import Connection
from tests.integration.web.site import (
    HOSTILE,
    add_alarm,
    fill_account,
    make_account,
    make_device,
    make_gateway,
    sign_in,
)

pytestmark = pytest.mark.integration

NOW = datetime(2026, 11, 20, 12, tzinfo=UTC)
HOUR = timedelta(hours=1)
MOST_QUERIES = 10


@pytest.fixture
def account(connection: Connection) -> Account:
    return make_account(time_zone="America/Sao_Paulo")


@pytest.fixture
def device(account: Account) -> Device:
    return make_device(make_gateway(account), name="Main meter")


def read(client: Client, account: Account, *, status: int = 200, **given: Any) -> str:
    answer = client.get(reverse("alarms", args=[account.pk]), given)
    assert answer.status_code == status, answer.content[:500]
    return answer.content.decode()


def list_ids(client: Client, account: Account, **given: Any) -> list[int]:
    """The listed alarms: open ones, then past ones."""
    context = client.get(reverse("alarms", args=[account.pk]), given).context
    shown = (context["opened_rows"] if context["shows_open"] else []) + context["past_rows"]
    return [row.alarm.pk for row in shown]


def act(client: Client, alarm: Alarm, what: str, **given: Any) -> Any:
    return client.post(reverse(f"alarm-{what}", args=[alarm.account_id, alarm.pk]), given)


def test_it_says_that_no_member_can_be_told_by_email(account: Account) -> None:
    client, page = sign_in(account, role="owner"), reverse("alarm-rules", args=[account.pk])
    text = "No member of this account has an e-mail address."
    assert client.get(page).content.decode().count(text) == 2  # escalation, too
    User.objects.update(email="ana@example.com")
    assert text not in client.get(page).content.decode()


def test_it_says_what_alarms_are_when_there_is_none(account: Account) -> None:
    page = read(sign_in(account), account)
    assert "No alarm is open." in page
    assert "No alarm ended yet." in page
    filtered = read(sign_in(account), account, search="x")
    assert "No open alarm matches the filters." in filtered
    assert "No past alarm matches the filters." in filtered


def test_it_shows_open_alarms_first_with_all_that_is_known(
    account: Account, device: Device
) -> None:
    past = add_alarm(device, at=NOW - HOUR, lasts=HOUR / 2, kind="low", value="-3.1000")
    opened = add_alarm(device, at=NOW - 9 * HOUR, value="12.5000")
    client = sign_in(account)
    assert list_ids(client, account) == [opened.pk, past.pk]
    page = read(client, account)
    for words in ("above the limit", "below the limit", "12.5\u00a0kWh", "10\u00a0kWh",
        "-3.1\u00a0kWh", "Main meter", "GW1", "within the limit again",
        "T00:00:00-03:00"):  # fmt: skip
        assert words in page, words


def test_it_shows_alarms_to_members_only(account: Account, device: Device) -> None:
    foreign = make_device(make_gateway(make_account("Other")), "FOREIGN")
    alarm, client = add_alarm(foreign, at=NOW), sign_in(account, role="owner")
    assert "FOREIGN" not in read(client, account)
    assert list_ids(client, account, device=foreign.pk) == []
    assert Client().get(reverse("alarms", args=[account.pk])).status_code == 302
    assert client.get(reverse("alarms", args=[alarm.account_id])).status_code == 404
    assert act(client, alarm, "acknowledge").status_code == 404
    smuggled = reverse("alarm-acknowledge", args=[account.pk, alarm.pk])
    assert client.post(smuggled).status_code == 404
    alarm.refresh_from_db()
    assert alarm.acknowledged_at is None


@pytest.mark.parametrize(("role", "status"), [("viewer", 403), ("admin", 302), ("owner", 302)])
@pytest.mark.parametrize("what", ["acknowledge", "withdraw"])
def test_it_lets_those_act_whose_role_operates(
    account: Account, device: Device, role: str, status: int, what: str
) -> None:
    alarm, client = add_alarm(device, at=NOW), sign_in(account, role=role)
    assert act(client, alarm, what).status_code == status
    assert client.get(reverse(f"alarm-{what}", args=[account.pk, alarm.pk])).status_code == 405
    assert act(Client(), alarm, what).status_code == 302, "to the sign-in"
    assert ("<textarea" in read(sign_in(account, role=role), account)) == (
        role != "viewer" and what == "withdraw"
    )


def test_it_notes_who_acknowledged_when_and_takes_it_back(account: Account, device: Device) -> None:
    alarm, client = add_alarm(device, at=NOW), sign_in(account, role="admin")
    alarm.refresh_from_db()
    before = alarm.changed_at
    answer = act(client, alarm, "acknowledge", note="Pump\nis <b>off</b>", back="state=open&page=1")
    assert answer.headers["Location"] == f"/accounts/{account.pk}/alarms/?state=open&page=1"
    alarm.refresh_from_db()
    assert (alarm.acknowledged_by.first_name, alarm.note) == (
        "Ana",
        "Pump\r\nis <b>off</b>".replace("\r", ""),
    )
    assert alarm.changed_at > before
    page = read(client, account)
    for words in (
        "The alarm is acknowledged.",
        "Ana Reis",
        "Pump<br>is &lt;b&gt;off&lt;/b&gt;",
        "Withdraw",
    ):
        assert words in page, words
    assert (
        "Somebody has acknowledged this alarm already"
        in client.get(
            act(client, alarm, "acknowledge", note="late").headers["Location"]
        ).content.decode()
    )
    alarm.refresh_from_db()
    assert "Pump" in alarm.note, "the first one stands"
    act(client, alarm, "withdraw")
    alarm.refresh_from_db()
    assert (alarm.acknowledged_by, alarm.acknowledged_at, alarm.note) == (None, None, "")
    assert "The acknowledgment is withdrawn." in read(client, account)


def test_it_says_at_its_field_what_is_wrong_with_a_note(account: Account, device: Device) -> None:
    alarm, client = add_alarm(device, at=NOW), sign_in(account, role="admin")
    other = add_alarm(make_device(device.gateway, "D02"), at=NOW)
    answer = act(client, alarm, "acknowledge", note="n" * 501)
    page = answer.content.decode()
    assert answer.status_code == 400
    assert f'id="{alarm.pk}-note_error"' in page
    assert f'id="{other.pk}-note_error"' not in page
    assert "at most 500 characters" in page
    assert "n" * 501 in page, "what was written is kept"
    alarm.refresh_from_db()
    assert alarm.acknowledged_at is None


def test_it_goes_back_nowhere_else(account: Account, device: Device) -> None:
    alarm, client = add_alarm(device, at=NOW), sign_in(account, role="admin")
    for back in ("https://evil.example/", "//evil.example", "\r\nX: y", "a=b#c"):
        location = act(client, alarm, "withdraw", back=back).headers["Location"]
        assert location.startswith(f"/accounts/{account.pk}/alarms/?")


@pytest.fixture
def many(account: Account, device: Device) -> dict[str, int]:
    """Alarms to choose from, by a name each."""
    other = make_device(make_gateway(account, "GW2"), "E02", name="Freezer")
    found = {
        "new": add_alarm(device, at=NOW),
        "seen": add_alarm(other, at=NOW - HOUR, acknowledged_at=NOW),
        "past": add_alarm(device, at=NOW - 50 * HOUR, lasts=HOUR),
        "long": add_alarm(other, at=NOW - 99 * HOUR, lasts=80 * HOUR),
    }
    return {name: alarm.pk for name, alarm in found.items()}


@pytest.mark.parametrize(
    ("given", "names"),
    [
        pytest.param({}, ["new", "seen", "past", "long"], id="all"),
        pytest.param({"state": "open"}, ["new", "seen"], id="open"),
        pytest.param({"state": "waiting"}, ["new"], id="open and not acknowledged"),
        pytest.param({"state": "past"}, ["past", "long"], id="past"),
        pytest.param({"search": "FREEZ"}, ["seen", "long"], id="a part of the name"),
        pytest.param({"first": "2026-11-20"}, ["new", "seen"], id="from a day on"),
        pytest.param({"last": "2026-11-17"}, ["long"], id="up to a day"),
        pytest.param(
            {"first": "2026-11-18", "last": "2026-11-18"}, ["past", "long"], id="during a day"
        ),
    ],
)
def test_it_filters(
    account: Account, many: dict[str, int], given: dict[str, str], names: list[str]
) -> None:
    assert list_ids(sign_in(account), account, **given) == [many[name] for name in names]


def test_it_filters_by_gateway_and_by_device(account: Account, many: dict[str, int]) -> None:
    client, freezer = sign_in(account), Device.objects.get(code="E02")
    expected = [many["seen"], many["long"]]
    assert list_ids(client, account, gateway=freezer.gateway_id) == expected
    assert list_ids(client, account, device=freezer.pk) == expected
    assert "Only alarms of E02 Freezer." in read(client, account, device=freezer.pk)


@pytest.mark.parametrize(
    ("given", "words"),
    [
        pytest.param({"state": "x"}, "Select a valid choice", id="state"),
        pytest.param({"gateway": "7"}, "Select a valid choice", id="gateway"),
        pytest.param({"device": "x"}, "Enter a whole number", id="device"),
        pytest.param({"device": "9" * 30}, "less than or equal", id="a device far away"),
        pytest.param({"first": "2026-13-01"}, "Enter a valid date", id="a day"),
        pytest.param(
            {"first": "2026-11-02", "last": "2026-11-01"}, "before the first", id="a period"
        ),
        pytest.param({"page": "-1"}, "greater than or equal to 1", id="page"),
        pytest.param({"search": "\x00"}, "Null characters", id="a zero byte"),
    ],
)
def test_it_says_what_is_wrong_with_a_filter(
    account: Account, given: dict[str, str], words: str
) -> None:
    assert words in read(sign_in(account), account, status=400, **given)


@pytest.mark.parametrize("name", ["first", "last"])
@pytest.mark.parametrize("day", [date.min, date.max])
def test_it_refuses_days_at_the_ends_of_the_calendar(
    account: Account, day: date, name: str
) -> None:
    assert "Ensure this value" in read(sign_in(account), account, status=400, **{name: day})


def test_it_names_no_device_of_another_account(account: Account, device: Device) -> None:
    add_alarm(device, at=NOW, lasts=HOUR, ending="moved")
    gateway = device.gateway
    gateway.account = make_account("Other")
    gateway.save()
    client = sign_in(account)
    page = read(client, account)
    assert "a device that moved to another account" in page
    assert "Main meter" not in page
    assert list_ids(client, account, search="Main") == []


def test_it_escapes_hostile_names(account: Account) -> None:
    device = make_device(make_gateway(account, HOSTILE), "<i>&", name=HOSTILE, unit="<b>")
    add_alarm(device, at=NOW, note=HOSTILE, acknowledged_at=NOW)
    client = sign_in(account, role="owner")
    for page in (read(client, account), read(client, account, search=HOSTILE, device=device.pk)):
        for raw in ("<script>alert", "<i>&", "<b>"):
            assert raw not in page


def test_it_bounds_the_page_and_its_queries(account: Account, connection: Connection) -> None:
    fill_account(connection, account, devices=1_000)
    client = sign_in(account, role="owner")
    read(client, account, state="past", search="nothing")
    with CaptureQueriesContext(django_connection) as queries:
        page = read(client, account)
    assert len(queries) <= MOST_QUERIES
    assert len(page) < 200_000
    assert "All open alarms" in page


@pytest.mark.parametrize("state", ["open", "past"])
def test_it_pages_through_many_alarms(account: Account, connection: Connection, state: str) -> None:
    fill_account(connection, account, devices=120)
    client = sign_in(account)
    pages = [list_ids(client, account, state=state, page=number) for number in (1, 2, 3, 4)]
    assert [len(page) for page in pages] == [50, 50, 20, 0]
    assert len(set().union(*pages)) == 120
    assert 'rel="next"' not in read(client, account, state=state, page=3)
