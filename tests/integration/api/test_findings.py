"""Findings over the API: listed, decided, put right by an edit."""

import json
from typing import Any

import pytest
from django.test import Client

from telemetry.accounts.tokens import issue_token
from telemetry.models import Account, Device, Finding
from telemetry.store.db.connection import Connection
from tests.integration.api.conftest import ALL_SCOPES, Get, call_with, make_user, read_problem
from tests.integration.store.ingest import store
from tests.messages import make_message

pytestmark = pytest.mark.integration

AT = "2026-09-12T12:00:00Z"


@pytest.fixture
def finding(stocked: Connection, own: Account) -> Finding:
    device = Device.objects.get(account=own, code="D01", gateway__mac="aa:bb:cc:dd:ee:ff")
    Finding.objects.filter(rule="too_fast").delete()
    return Finding.objects.create(
        account=own, device=device, rule="too_fast", since=AT, evidence={"consumed": "7000"}
    )


@pytest.fixture(scope="module")
def admin(own: Account) -> Client:
    return call_with(issue_token(make_user(admin=own), name="x", scopes=ALL_SCOPES)[1])


def post(client: Client, account: Account, path: str, **body: Any) -> Any:
    address = f"/api/v1/accounts/{account.pk}{path}"
    return client.post(address, json.dumps(body), content_type="application/json")


def test_it_lists_findings_by_state_and_rule(finding: Finding, get: Get) -> None:
    [one] = get("/findings", rule="too_fast", state="open").json()["items"]
    assert (one["id"], one["until"], one["evidence"]) == (finding.pk, None, {"consumed": "7000"})
    assert get("/findings", rule="dip").json()["items"] == []
    assert get(f"/findings/{finding.pk}").json() == one


def test_it_decides_once_and_with_a_note(own: Account, finding: Finding, admin: Client) -> None:
    path = f"/findings/{finding.pk}/decide"
    problem = read_problem(post(admin, own, path, state="accepted"), status=409)
    assert "takes a note" in problem["detail"]
    done = post(admin, own, path, state="accepted", note="a new pump").json()
    assert (done["state"], done["note"]) == ("accepted", "a new pump")
    read_problem(post(admin, own, path, state="ignored"), status=409)
    read_problem(post(admin, own, path, state="gone"), status=422)
    assert post(admin, own, path, state="open").json()["decided_by"] is None


def test_it_is_put_right_by_an_edit_that_names_it(
    stocked: Connection, own: Account, finding: Finding, admin: Client, get: Get
) -> None:
    store(stocked, make_message(code="D01", valor="7000", at=AT))
    made = post(
        admin, own, f"/devices/{finding.device_id}/edits", since=AT, kind="substitute", value="7",
        reason="a slip", finding_id=finding.pk,
    ).json()  # fmt: skip
    found = get(f"/findings/{finding.pk}").json()
    assert (found["state"], found["edit_id"], found["note"]) == (
        "substituted", made["id"], "a slip",
    )  # fmt: skip
    missing = post(
        admin, own, f"/devices/{finding.device_id}/edits", since=AT, kind="void", reason="x",
        finding_id=2**40,
    )  # fmt: skip
    read_problem(missing, status=404)
