"""Every route, every role, own and foreign account, every scope: exactly what is allowed."""

import json
from datetime import date, time
from functools import cache
from itertools import product
from typing import Any

import pytest
from django.db import connection as django
from django.test import Client
from django.test.utils import CaptureQueriesContext

from telemetry.accounts.access import RIGHTS
from telemetry.accounts.tokens import issue_token
from telemetry.api.service import api as service
from telemetry.models import (
    Account,
    Alarm,
    DeadLetter,
    Device,
    Edit,
    Finding,
    Gateway,
    Installation,
    Membership,
    User,
)
from telemetry.store.db.connection import Connection
from tests.integration.api.conftest import ALL_SCOPES, call_with, make_user

pytestmark = pytest.mark.integration

MOST_QUERIES = 7
MOST_LOOKS = 12
"""Readings are looked for in growing windows of time, back to the beginning of the period."""
MOST_STATEMENT_QUERIES = 20
"""Days, hours and registers at both ends, edits, findings: each of all devices at once."""
MOST_EDIT_QUERIES = 30
NEEDED = {
    "acknowledge_alarm": "operate",
    "list_alarm_rules": "operate",
    **dict.fromkeys(
        ("edit_readings", "undo_an_edit", "approve_an_edit", "reject_an_edit",
         "take_rejected_value", "decide_a_finding", "change_a_meter", "preview_a_change",
         "undo_a_change", "enter_band_period", "delete_band_period", "enter_holiday",
         "delete_holiday"),
        "billing",
    ),
}  # fmt: skip
BODIES = {
    "edits": {"since": "2026-09-01T12:00:00Z", "kind": "void", "reason": "x"},
    "undo": {"reason": "x"},
    "installations": {"since": "2026-09-01T12:30:00Z", "measurement": "delta", "unit": "kWh"},
    "preview": {"since": "2026-09-01T12:30:00Z", "measurement": "delta", "unit": "kWh"},
    "take": {"reason": "x"},
    "decide": {"state": "ignored"},
    "periods": {"band": "x", "days": ["sunday"], "starts": "17:30", "ends": "20:30"},
    "holidays": {"day": "2026-11-02"},
}
OPEN = (200, 204, 409)
"""For whoever may: done, or not possible with what is there."""


def list_operations() -> dict[str, tuple[str, str, str]]:
    """Operation id to method, path and scope: from the document, so that none can be left out."""
    found = {}
    for path, operations in service.get_openapi_schema()["paths"].items():
        for method, operation in operations.items():
            scope = operation["security"][0]["TokenAuth"][0]
            found[operation["operationId"]] = (method.upper(), path, scope)
    return found


OPERATIONS = list_operations()
OF_ACCOUNT = {name: of for name, of in OPERATIONS.items() if "{account_id}" in of[1]}


@cache
def find_things(account: Account) -> dict[str, int]:
    """One of each kind of the account's things, as paths name them."""
    return {
        "account_id": account.pk,
        "gateway_id": Gateway.objects.filter(account=account)[0].pk,
        "device_id": Device.objects.filter(account=account)[0].pk,
        "alarm_id": Alarm.objects.filter(account=account)[0].pk,
        "finding_id": Finding.objects.filter(account=account)[0].pk,
        "edit_id": Edit.objects.filter(account=account)[0].pk,
        "dead_letter_id": DeadLetter.objects.filter(account=account)[0].pk,
        "installation_id": Installation.objects.filter(device__account=account)[0].pk,
    }


def fill(path: str, account: Account) -> str:
    """The path with the account's own things. Those that a request deletes are made each time."""
    period, holiday = account.band_periods.first(), account.holidays.first()
    if "{period_id}" in path and period is None:
        period = account.band_periods.create(
            band="y", days=["sunday"], starts=time(1), ends=time(2)
        )
    if "{holiday_id}" in path and holiday is None:
        holiday = account.holidays.create(day=date(2026, 12, 25))
    made = {"period_id": period and period.pk, "holiday_id": holiday and holiday.pk}
    return path.format(**find_things(account), **made)


@pytest.fixture(scope="module")
def users(own: Account) -> dict[str, User]:
    """A user of each role, and one who is no member of anything."""
    return {
        **{role: make_user(**{role: own}) for role in Membership.Role.values},
        "nobody": make_user(),
    }


def ask(client: Client, method: str, path: str) -> Any:
    body = BODIES.get(path.rpartition("/")[2]) if method == "POST" else None
    if "/installations/" in path and path.endswith("/undo"):
        body = None
    content = {} if body is None else {"data": json.dumps(body), "content_type": "application/json"}
    query = "?month=2026-09-01" if path.endswith("/bands") else ""
    response = client.generic(method, path + query, **content)
    if response.streaming:
        b"".join(response.streaming_content)
        response.close()
    return response


def test_it_knows_all_operations() -> None:
    assert len(OPERATIONS) == 47
    assert {scope for _, _, scope in OPERATIONS.values()} == set(ALL_SCOPES)


@pytest.mark.parametrize("way", ["token", "session"])
def test_it_opens_an_account_to_its_members_by_their_role(
    stocked: Connection, own: Account, foreign: Account, users: dict[str, User], way: str
) -> None:
    for role, user in users.items():
        client = Client()
        if way == "token":
            client = call_with(issue_token(user, name="x", scopes=ALL_SCOPES)[1])
        else:
            client.force_login(user)
        for name, (method, path, _) in OF_ACCOUNT.items():
            needed = NEEDED.get(name, "view")
            is_open = role != "nobody" and needed in RIGHTS[role]
            expected = OPEN if is_open else (404 if role == "nobody" else 403,)
            address = fill(path, own)
            with CaptureQueriesContext(django) as captured:
                status = ask(client, method, address).status_code
            assert status in expected, (role, name)
            most = MOST_LOOKS if "/readings" in path else MOST_QUERIES
            most = MOST_STATEMENT_QUERIES if path.endswith("/statements") else most
            most = MOST_EDIT_QUERIES if needed == "billing" else most
            assert len(captured) <= most, (name, [one["sql"] for one in captured])
            assert ask(client, method, fill(path, foreign)).status_code == 404, (role, name)


def test_it_opens_nothing_without_a_token_or_session(stocked: Connection, own: Account) -> None:
    for method, path, _ in OPERATIONS.values():
        assert ask(Client(), method, fill(path, own)).status_code == 401, path


def test_it_opens_with_a_scope_what_needs_it_and_nothing_else(
    stocked: Connection, own: Account, users: dict[str, User]
) -> None:
    clients = {
        scope: call_with(issue_token(users["owner"], name="x", scopes=[scope])[1])
        for scope in ALL_SCOPES
    }
    for (scope, client), (method, path, needed) in product(clients.items(), OPERATIONS.values()):
        expected = OPEN if scope == needed else (403,)
        assert ask(client, method, fill(path, own)).status_code in expected, (scope, path)


def test_it_says_the_same_of_what_is_foreign_and_what_is_missing(
    stocked: Connection, own: Account, foreign: Account, users: dict[str, User]
) -> None:
    """The same words, after the same queries: neither the body nor the time tells them apart."""
    client = call_with(issue_token(users["owner"], name="x", scopes=ALL_SCOPES)[1])
    ask(client, "GET", "/api/v1/me")  # the token's use is noted
    for name, (method, path, _) in OF_ACCOUNT.items():
        there = fill(path, foreign)
        missing = there.replace(f"accounts/{foreign.pk}", f"accounts/{2**40}")
        found = []
        for address in (there, missing):
            with CaptureQueriesContext(django) as captured:
                response = ask(client, method, address)
            found.append((response.status_code, response.content, len(captured)))
        assert found[0] == found[1], name
        theirs = there.replace(f"accounts/{foreign.pk}", f"accounts/{own.pk}")
        if theirs != fill(path, own):
            assert ask(client, method, theirs).content == found[0][1], name
