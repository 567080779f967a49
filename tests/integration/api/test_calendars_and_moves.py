"""When bands apply, and whose gateways were when: as the API says."""

from datetime import UTC, date, datetime, time

import pytest

from telemetry.accounts.tokens import issue_token
from telemetry.assignments.moving import move_gateway
from telemetry.core.consumption import Meter
from telemetry.models import Account, BandPeriod, Gateway, Holiday
from telemetry.store.db.connection import Connection
from tests.consumption import register
from tests.integration.api.conftest import ALL_SCOPES, call_with, make_user

pytestmark = pytest.mark.integration


def test_it_lists_when_bands_apply(connection: Connection) -> None:
    account = Account.objects.create(name="A")
    period = BandPeriod.objects.create(
        account=account, band="Ponta", days=["weekday"], starts=time(17, 30), ends=time(20, 30),
        season_from="10-15", season_to="03-31",
    )  # fmt: skip
    holiday = Holiday.objects.create(account=account, day=date(2026, 11, 2), name="Finados")
    BandPeriod.objects.create(
        account=Account.objects.create(name="B"), band="x", days=["weekday"], starts=time(1),
        ends=time(2),
    )  # fmt: skip
    client = call_with(issue_token(make_user(viewer=account), name="x", scopes=ALL_SCOPES)[1])
    base = f"/api/v1/accounts/{account.pk}/bands"
    assert client.get(f"{base}/periods").json()["items"] == [
        {
            "id": period.pk, "band": "Ponta", "days": ["weekday"], "starts": "17:30:00",
            "ends": "20:30:00", "season_from": "10-15", "season_to": "03-31",
        }
    ]  # fmt: skip
    assert client.get(f"{base}/holidays").json()["items"] == [
        {"id": holiday.pk, "day": "2026-11-02", "name": "Finados"}
    ]


def test_it_says_to_each_account_when_a_gateway_was_its_own(connection: Connection) -> None:
    site = register(connection, Meter("delta"))
    old, new = Account.objects.get(pk=site.account_id), Account.objects.create(name="New")
    at = datetime(2026, 9, 15, 12, tzinfo=UTC)
    move_gateway(Gateway.objects.get(pk=site.gateway_id), new, since=at)
    text = "2026-09-15T12:00:00Z"
    for account, since, until in ((old, None, text), (new, text, None)):
        user = make_user(viewer=account)
        client = call_with(issue_token(user, name="x", scopes=ALL_SCOPES)[1])
        [item] = client.get(f"/api/v1/accounts/{account.pk}/assignments").json()["items"]
        assert (item["gateway_id"], item["since"], item["until"]) == (
            site.gateway_id, since, until,
        )  # fmt: skip
