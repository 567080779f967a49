"""Ids of another account in what a form, an address or a body says: as if they did not exist."""

import json
from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone

from telemetry.accounts.tokens import issue_token
from telemetry.models import AlarmRule, ApiToken, Edit, Finding, ReportSchedule, User
from telemetry.store.db.connection import Connection
from tests.integration.web.test_matrix import make_objects, sign_in

pytestmark = pytest.mark.integration

PASSWORD = "a-long-secret-of-mine"
LISTS = ("readings", "readings/export", "devices", "bands", "alarms", "edits", "findings")


@pytest.fixture
def sites(connection: Connection) -> tuple[dict[str, Any], dict[str, Any]]:
    """One of everything in an own and in a foreign account; the owner has a password."""
    own, foreign = (make_objects(connection, name) for name in ("own", "foreign"))
    user = User.objects.get(username="own-owner")
    user.set_password(PASSWORD)
    user.save()
    return own, foreign


def test_it_takes_none_in_forms(sites: tuple[dict[str, Any], dict[str, Any]]) -> None:
    own, foreign = sites
    client, base = sign_in("own-owner"), f"/accounts/{own['account_id']}"
    stranger = User.objects.get(username="foreign-owner").pk
    rule = {
        "kind": "above", "limit": "1", "margin": "0", "delay_minutes": "0", "clear_minutes": "10",
        "recipients": [User.objects.get(username="own-owner").pk],
    }  # fmt: skip
    for named in (
        {"device": foreign["device_id"]},
        {"kind": "offline", "gateway": foreign["gateway_id"]},
        {"webhook": foreign["webhook_id"]},
        {"recipients": [stranger]},
        {"escalate_minutes": "5", "escalate_to": [stranger]},
    ):
        assert client.post(f"{base}/alarms/rules/", {**rule, **named}).status_code == 400, named
    assert client.post(f"{base}/alarms/rules/", rule).status_code == 302
    schedule = {
        "name": "x", "grouping": "device", "format": "csv", "days_after": "1", "language": "en",
        "recipients": [stranger],
    }  # fmt: skip
    assert client.post(f"{base}/reports/schedules/", schedule).status_code == 400
    token = {
        "name": "x", "scopes": ["read"], "lifetime": "30", "password": PASSWORD,
        "account": foreign["account_id"],
    }  # fmt: skip
    assert client.post("/profile/tokens/", token).status_code == 400
    now = timezone.now()
    edit = {
        "since": (now - timedelta(hours=1)).isoformat(), "until": now.isoformat(),
        "what": "void", "reason": "a foreign finding", "finding": foreign["finding_id"],
    }  # fmt: skip
    client.post(f"{base}/devices/{own['device_id']}/readings/", edit)
    assert Edit.objects.filter(reason="a foreign finding").count() == 1
    assert Finding.objects.get(pk=foreign["finding_id"]).state == "open"
    assert (AlarmRule.objects.count(), ReportSchedule.objects.count()) == (3, 2)
    assert not ApiToken.objects.exists()


def test_it_takes_none_in_the_api(sites: tuple[dict[str, Any], dict[str, Any]]) -> None:
    own, foreign = sites
    user = User.objects.get(username="own-owner")
    secret = issue_token(user, name="x", scopes=list(ApiToken.Scope.values))[1]
    client, base = sign_in(None), f"/api/v1/accounts/{own['account_id']}"
    client.defaults["HTTP_AUTHORIZATION"] = f"Bearer {secret}"
    for name in LISTS:
        for parameter in ("device_id", "gateway_id"):
            if (name, parameter) == ("devices", "device_id"):
                continue
            answer = client.get(f"{base}/{name}", {parameter: foreign[parameter]})
            assert answer.status_code == 404, (name, parameter)
    body = {
        "since": timezone.now().isoformat(), "kind": "void", "reason": "r",
        "finding_id": foreign["finding_id"],
    }  # fmt: skip
    path = f"{base}/devices/{own['device_id']}/edits"
    assert client.post(path, json.dumps(body), "application/json").status_code == 404
    assert Finding.objects.get(pk=foreign["finding_id"]).state == "open"
