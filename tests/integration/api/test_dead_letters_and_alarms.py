"""Dead letters and alarms over the API."""

from base64 import b64decode

import pytest
from django.test import Client

from telemetry.accounts.tokens import issue_token
from telemetry.models import Account, Alarm, DeadLetter, User
from telemetry.store.db.connection import Connection
from tests.integration.api.conftest import ALL_SCOPES, Get, call_with, make_user, read_problem

pytestmark = pytest.mark.integration


def test_it_lists_rejected_messages_without_their_bytes(stocked: Connection, get: Get) -> None:
    items = get("/dead-letters").json()["items"]
    assert {item["reason"] for item in items} == {"unknown_device", "unit_mismatch", "bad_json"}
    assert all("payload" not in item and item["payload_bytes"] > 0 for item in items)
    [one] = get("/dead-letters", reason="unit_mismatch").json()["items"]
    assert (one["device_code"], one["state"], one["occurrences"]) == ("D01", "pending", 1)
    assert get("/dead-letters", state="replayed").json()["items"] == []


def test_it_gives_the_bytes_as_they_came(stocked: Connection, get: Get) -> None:
    [listed] = get("/dead-letters", reason="bad_json").json()["items"]
    dead_letter = get(f"/dead-letters/{listed['id']}").json()
    assert b64decode(dead_letter.pop("payload")) == b"\xff\x00 no JSON"
    assert dead_letter == listed


def test_it_says_details_in_the_language_that_is_asked_for(
    stocked: Connection, own: Account, api: Client
) -> None:
    address = f"/api/v1/accounts/{own.pk}/dead-letters?reason=unknown_device"
    said = {}
    for language in ("en", "pt-BR"):
        response = api.get(address, headers={"Accept-Language": language})
        assert "Accept-Language" in response.headers["Vary"]
        said[language] = response.json()["items"][0]["detail"]
    assert " has no device " in said["en"]
    assert said["pt-BR"] == said["en"].replace("gateway ", "o gateway ", 1).replace(
        "has no device", "n\u00e3o tem o dispositivo"
    )
    missing = {
        language: read_problem(
            api.get(f"{address.partition('?')[0]}/{2**40}", headers={"Accept-Language": language}),
            status=404,
        )
        for language in said
    }
    assert missing["en"]["title"] == "Not found"
    assert missing["pt-BR"]["title"] == "N\u00e3o encontrado"
    assert missing["en"]["type"] == missing["pt-BR"]["type"]
    assert missing["en"]["detail"] != missing["pt-BR"]["detail"]


def test_it_gives_no_dead_letter_of_no_account(
    stocked: Connection, foreign: Account, get: Get
) -> None:
    missing = read_problem(get(f"/dead-letters/{2**40}"), status=404)
    theirs = DeadLetter.objects.filter(account=foreign)[0]
    DeadLetter.objects.filter(pk=theirs.pk).update(account=None)
    try:
        assert read_problem(get(f"/dead-letters/{theirs.pk}"), status=404) == missing
    finally:
        DeadLetter.objects.filter(pk=theirs.pk).update(account=foreign)


def test_it_lists_alarms_by_state(stocked: Connection, get: Get) -> None:
    every = get("/alarms").json()["items"]
    assert [item["opened_at"] for item in every] == [
        "2026-09-01T02:00:00Z", "2026-09-01T01:00:00Z", "2026-09-01T00:00:00Z",
    ]  # fmt: skip
    assert [item["closed_at"] for item in get("/alarms", state="open").json()["items"]] == [None]
    assert len(get("/alarms", state="past").json()["items"]) == 2
    assert get("/alarms", device_id=every[0]["device_id"]).json()["items"] == every
    assert get(f"/alarms/{every[0]['id']}").json() == every[0]


@pytest.fixture
def alarm(stocked: Connection, own: Account) -> Alarm:
    """An open alarm that nobody acknowledged."""
    Alarm.objects.update(acknowledged_at=None, acknowledged_by=None, note="")
    return Alarm.objects.get(account=own, closed_at=None)


def acknowledge(client: Client, alarm: Alarm, **body: str) -> object:
    path = f"/api/v1/accounts/{alarm.account_id}/alarms/{alarm.pk}/acknowledge"
    return client.post(path, body, content_type="application/json")


def make_client(own: Account, role: str, *scopes: str) -> tuple[User, Client]:
    user = make_user(**{role: own})
    _, text = issue_token(user, name="x", scopes=scopes or ALL_SCOPES)
    return user, call_with(text)


@pytest.mark.parametrize("role", ["admin", "owner"])
def test_it_notes_who_acknowledged_first(alarm: Alarm, own: Account, get: Get, role: str) -> None:
    user, client = make_client(own, role)
    answer = acknowledge(client, alarm, note="seen <b>")
    assert answer.status_code == 200
    assert (answer.json()["acknowledged_by"], answer.json()["note"]) == (user.username, "seen <b>")
    _, other = make_client(own, "owner")
    assert acknowledge(other, alarm, note="me too").json() == answer.json()
    assert get(f"/alarms/{alarm.pk}").json() == answer.json()
    assert get("/alarms", state="waiting").json()["items"] == []


def test_it_takes_an_acknowledgement_without_a_body(alarm: Alarm, own: Account) -> None:
    _, client = make_client(own, "admin")
    path = f"/api/v1/accounts/{own.pk}/alarms/{alarm.pk}/acknowledge"
    assert client.generic("POST", path).json()["note"] == ""


def test_it_refuses_a_role_or_a_scope_that_is_too_low(alarm: Alarm, own: Account) -> None:
    _, viewer = make_client(own, "viewer")
    assert "viewer" in read_problem(acknowledge(viewer, alarm), status=403)["detail"]
    _, reader = make_client(own, "owner", "read", "export", "dead_letters")
    problem = read_problem(acknowledge(reader, alarm), status=403)
    assert problem["type"].endswith(":missing-scope")
    alarm.refresh_from_db()
    assert alarm.acknowledged_at is None


def test_it_finds_no_alarm_of_another_account(alarm: Alarm, own: Account, foreign: Account) -> None:
    _, client = make_client(own, "owner")
    theirs = Alarm.objects.filter(account=foreign)[0]
    theirs.account = own
    missing = Alarm(pk=2**40, account=own)
    assert (
        read_problem(acknowledge(client, theirs), status=404)
        == read_problem(acknowledge(client, missing), status=404)
    )  # fmt: skip
    assert not Alarm.objects.filter(account=foreign, acknowledged_at__isnull=False).exists()


def test_it_needs_the_csrf_token_of_a_session(alarm: Alarm, own: Account) -> None:
    client = Client(enforce_csrf_checks=True)
    client.force_login(make_user(owner=own))
    problem = read_problem(acknowledge(client, alarm), status=403)
    assert problem["type"].endswith(":csrf-failed")
    client.get("/accounts/")
    cookie = {"X-CSRFToken": client.cookies["csrftoken"].value}
    path = f"/api/v1/accounts/{own.pk}/alarms/{alarm.pk}/acknowledge"
    assert client.generic("POST", path, headers=cookie).status_code == 200
    form = client.post(path, {"note": "a form"}, headers=cookie)
    assert "Cannot parse" in read_problem(form, status=400)["detail"]


@pytest.mark.parametrize(
    ("body", "status", "words"),
    [
        ('{"note": "', 400, "Cannot parse request body"),
        ("\xff", 400, "Cannot parse request body"),
        ('{"note": "a\\u0000"}', 422, "without NUL"),
        ('{"note": "\\ud800"}', 422, "unicode"),
        ('{"note": 5}', 422, "valid string"),
        ('{"note": "%s"}' % ("x" * 501), 422, "at most 500"),
        ('{"not": "x"}', 422, "not permitted"),
        ("[1]", 422, "dictionary"),
        ("[" * 100_000, 400, "Cannot parse request body"),
    ],
)
def test_it_says_what_is_wrong_with_a_body(
    alarm: Alarm, own: Account, body: str, status: int, words: str
) -> None:
    _, client = make_client(own, "owner")
    path = f"/api/v1/accounts/{own.pk}/alarms/{alarm.pk}/acknowledge"
    answer = client.post(path, body.encode("latin-1"), content_type="application/json")
    problem = read_problem(answer, status=status)
    assert words in problem["detail"]
    if status == 422:
        [error] = problem["errors"]
        assert error["in"] == "body"
