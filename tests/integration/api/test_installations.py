"""Meters over the API: list, preview, change, undo."""

import json
from typing import Any

import pytest
from django.test import Client

from telemetry.accounts.tokens import issue_token
from telemetry.models import Account, Device
from telemetry.store.db.connection import Connection
from tests.integration.api.conftest import ALL_SCOPES, Get, call_with, make_user, read_problem

pytestmark = pytest.mark.integration

CHANGE = {"since": "2026-09-02T12:30:00Z", "measurement": "delta", "unit": "kWh", "factor": "40"}


@pytest.fixture(scope="module")
def device(stocked: Connection, own: Account) -> Device:
    return Device.objects.get(account=own, code="D01", gateway__mac="aa:bb:cc:dd:ee:ff")


@pytest.fixture(scope="module")
def admin(own: Account) -> Client:
    return call_with(issue_token(make_user(admin=own), name="x", scopes=ALL_SCOPES)[1])


def post(client: Client, device: Device, path: str = "", **body: Any) -> Any:
    address = f"/api/v1/accounts/{device.account_id}/devices/{device.pk}/installations{path}"
    return client.post(address, json.dumps(body), content_type="application/json")


def test_it_previews_changes_and_undoes(device: Device, admin: Client, get: Get) -> None:
    change = {**CHANGE, "unit": device.unit, "is_net": True, "largest_rate": "12.5"}
    [effect] = post(admin, device, "/preview", **change).json()["months"]
    # Of the readings of 1.5 after the change: one on the 2nd, two on the 3rd; 0.25 on the 4th.
    assert effect == {
        "month": "2026-09-01", "is_closed": True, "before": "9.2500",
        "after": "194.0000", "difference": "184.7500",
    } | {name: effect[name] for name in ("before", "after", "difference")}  # fmt: skip
    assert float(effect["difference"]) == 39 * (3 * 1.5 + 0.25)
    made = post(admin, device, **change).json()
    assert (made["since"], made["factor"], made["old_register"]) == (CHANGE["since"], "40", None)
    assert (made["is_net"], made["largest_rate"]) == (True, "12.5")
    path = f"/devices/{device.pk}/installations"
    first, listed = get(path).json()["items"]
    assert (first["since"], listed["id"]) == (None, made["id"])
    undone = post(admin, device, f"/{made['id']}/undo").json()
    assert undone["undone_at"] is not None
    problem = read_problem(post(admin, device, f"/{made['id']}/undo"), status=409)
    assert "cannot be undone" in problem["detail"] or "can be undone" in problem["detail"]


def test_it_refuses_with_a_sentence_that_says_where_and_why(device: Device, admin: Client) -> None:
    problem = read_problem(post(admin, device, **{**CHANGE, "unit": "MWh"}), status=409)
    assert problem["detail"].startswith(
        f"{device.account.name} / {device.gateway.code} / D01, 2026-09-02 "
    )
    assert "the unit cannot change" in problem["detail"]
    assert post(admin, device, **{**CHANGE, "factor": "1e3"}).status_code == 422
