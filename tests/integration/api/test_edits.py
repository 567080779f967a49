"""Edits of readings over the API."""

import json
from typing import Any

import pytest
from django.test import Client

from telemetry.accounts.tokens import issue_token
from telemetry.models import Account, DeadLetter, Device
from telemetry.store.db.connection import Connection
from tests.integration.api.conftest import ALL_SCOPES, Get, call_with, make_user, read_problem
from tests.integration.store.ingest import store
from tests.messages import make_message

pytestmark = pytest.mark.integration

AT = "2026-09-10T12:00:00Z"


@pytest.fixture
def device(stocked: Connection, own: Account) -> Device:
    """D01 with a reading of its own for the test."""
    stocked.execute("DELETE FROM reading WHERE time >= '2026-09-10Z'")
    stocked.execute("DELETE FROM edited_reading; DELETE FROM edit WHERE reason <> 'a spike'")
    store(stocked, make_message(code="D01", valor="7000", at=AT))
    return Device.objects.get(account=own, code="D01", gateway__mac="aa:bb:cc:dd:ee:ff")


@pytest.fixture(scope="module")
def admins(own: Account) -> list[Client]:
    """Two admins of the own account."""
    return [
        call_with(issue_token(make_user(admin=own), name="x", scopes=ALL_SCOPES)[1])
        for _ in range(2)
    ]


def post(client: Client, account: Account, path: str, **body: Any) -> Any:
    address = f"/api/v1/accounts/{account.pk}{path}"
    return client.post(address, json.dumps(body), content_type="application/json")


def read_value(connection: Connection) -> list[Any]:
    return connection.execute("SELECT value FROM reading WHERE time = %s", [AT]).fetchall()


def test_it_edits_and_undoes_exactly(
    stocked: Connection, own: Account, device: Device, admins: list[Client], get: Get
) -> None:
    edits = f"/devices/{device.pk}/edits"
    answer = post(
        admins[0], own, edits, since=AT, kind="substitute", value="7.0001", reason="a slip"
    )
    made = answer.json()
    assert (made["value"], made["state"], made["readings_count"]) == ("7.0001", "applied", 1)
    assert read_value(stocked)[0][0].to_eng_string() == "7.0001"
    assert get("/edits", device_id=device.pk, state="applied").json()["items"] == [made]
    assert get(f"/edits/{made['id']}").json() == made
    undone = post(admins[1], own, f"/edits/{made['id']}/undo", reason="no slip").json()
    assert (undone["state"], undone["undo_reason"]) == ("undone", "no slip")
    assert undone["undone_by"] != undone["requested_by"]
    assert read_value(stocked) == [(7000,)]
    problem = read_problem(
        post(admins[1], own, f"/edits/{made['id']}/undo", reason="again"), status=409
    )
    assert problem["type"].endswith(":not-possible")
    assert "this edit cannot be undone: undone" in problem["detail"]


@pytest.mark.parametrize(
    ("body", "status"),
    [
        ({"kind": "void", "value": "1"}, 409),
        ({"kind": "substitute"}, 409),
        ({"kind": "substitute", "value": "1", "factor": "2"}, 409),
        ({"kind": "substitute", "value": "1.00001"}, 422),
        ({"kind": "substitute", "value": "NaN"}, 422),
        ({"kind": "substitute", "factor": "-1"}, 422),
        ({"kind": "void", "since": "2026-09-10T12:00:00"}, 422),
        ({"kind": "void", "until": "2026-09-09T12:00:00Z"}, 409),
        ({"kind": "void", "reason": " "}, 422),
        ({"kind": "void", "reason": "a\0b"}, 422),
        ({"kind": "void", "since": "2026-09-10T13:00:00Z"}, 409),
    ],
    ids=str,
)
def test_it_says_what_is_wrong_and_changes_nothing(
    stocked: Connection, own: Account, device: Device, admins: list[Client], body: Any, status: int
) -> None:
    answer = post(
        admins[0], own, f"/devices/{device.pk}/edits", **{"since": AT, "reason": "x", **body}
    )
    read_problem(answer, status=status)
    assert read_value(stocked) == [(7000,)]


def test_it_waits_for_another_admin(
    stocked: Connection, own: Account, device: Device, admins: list[Client]
) -> None:
    Account.objects.filter(pk=own.pk).update(edits_need_approval=True)
    try:
        edits = f"/devices/{device.pk}/edits"
        made = post(admins[0], own, edits, since=AT, kind="void", reason="x").json()
        assert (made["state"], read_value(stocked)) == ("waiting", [(7000,)])
        path = f"/edits/{made['id']}/approve"
        problem = read_problem(post(admins[0], own, path), status=409)
        assert "another admin must approve it" in problem["detail"]
        assert post(admins[1], own, path).json()["state"] == "applied"
        assert read_value(stocked) == []
        other = post(admins[0], own, edits, since=AT, kind="void", reason="x")
        waiting = other.json()["id"]
        assert post(admins[0], own, f"/edits/{waiting}/reject").json()["state"] == "rejected"
    finally:
        Account.objects.filter(pk=own.pk).update(edits_need_approval=False)


def test_it_takes_the_value_of_a_conflict(
    stocked: Connection, own: Account, device: Device, admins: list[Client], get: Get
) -> None:
    store(stocked, make_message(code="D01", valor="7", at=AT))
    dead_letter = DeadLetter.objects.get(reason="conflicting_reading", state="pending")
    made = post(admins[0], own, f"/dead-letters/{dead_letter.pk}/take", reason="x").json()
    assert (made["dead_letter_id"], made["value"]) == (dead_letter.pk, "7")
    assert read_value(stocked) == [(7,)]
    assert get(f"/dead-letters/{dead_letter.pk}").json()["state"] == "taken"
