"""When bands apply, and whose gateways were when: as the API says."""

import json
from copy import copy
from datetime import UTC, date, datetime, time, timedelta
from typing import Any

import pytest
from auditlog.models import LogEntry
from django.contrib.contenttypes.models import ContentType
from django.test import Client

from telemetry.accounts.tokens import issue_token
from telemetry.assignments.moving import move_gateway
from telemetry.core.bands import BandCalendar
from telemetry.core.consumption import Meter
from telemetry.models import Account, BandPeriod, Gateway, Holiday, Membership
from telemetry.models.bands import MOST_HOLIDAYS, MOST_PERIODS
from telemetry.store.bands.month import read_calendar
from telemetry.store.db.connection import Connection
from tests.consumption import register
from tests.integration.api.conftest import ALL_SCOPES, call_with, make_user, read_problem
from tests.integration.web.site import sign_in

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


@pytest.fixture
def account(connection: Connection) -> Account:
    return Account.objects.create(name="A", time_zone="America/Sao_Paulo")


def call(account: Account, role: str = "admin", **headers: str) -> tuple[Client, str]:
    """A member's client, and the address of the bands."""
    client = call_with(issue_token(make_user(**{role: account}), name="x", scopes=ALL_SCOPES)[1])
    client.defaults |= {f"HTTP_{name.upper()}": text for name, text in headers.items()}
    return client, f"/api/v1/accounts/{account.pk}/bands"


PONTA = {"band": "Ponta", "days": ["weekday"], "starts": "17:30", "ends": "20:30"}


def post(client: Client, address: str, body: Any) -> Any:
    return client.post(address, json.dumps(body), content_type="application/json")


def test_admins_enter_and_delete_bands_and_holidays_which_is_recorded(account: Account) -> None:
    client, base = call(account)
    period = post(client, f"{base}/periods", PONTA | {"days": ["sunday", "weekday", "sunday"]})
    holiday = post(client, f"{base}/holidays", {"day": "2026-11-02", "name": " Finados "})
    assert (period.status_code, holiday.status_code) == (200, 200)
    assert period.json() == {
        "id": BandPeriod.objects.get().pk, "band": "Ponta", "days": ["weekday", "sunday"],
        "starts": "17:30:00", "ends": "20:30:00", "season_from": "", "season_to": "",
    }  # fmt: skip
    assert holiday.json() == {
        "id": Holiday.objects.get().pk, "day": "2026-11-02", "name": "Finados",
    }  # fmt: skip
    again = {name: value for name, value in period.json().items() if name != "id"}
    assert post(client, f"{base}/periods", again).status_code == 200  # what is read can be sent
    assert len(read_calendar(account.pk).periods) == 2
    page = sign_in(account).get(f"/accounts/{account.pk}/bands/periods/").content.decode()
    assert "Finados" in page
    for name, row in (("periods", period), ("holidays", holiday)):
        address = f"{base}/{name}/{row.json()['id']}"
        gone = client.delete(address)
        assert (gone.status_code, gone.content) == (204, b"")
        read_problem(client.delete(address), status=404)
    client.delete(f"{base}/periods/{BandPeriod.objects.get().pk}")
    assert read_calendar(account.pk) == BandCalendar()
    user = Membership.objects.get(account=account, role="admin").user
    kinds = ContentType.objects.get_for_models(BandPeriod, Holiday).values()
    entries = LogEntry.objects.filter(content_type__in=kinds)
    assert [(entry.action, entry.actor) for entry in entries.order_by("pk")] == [
        (action, user) for action in (0, 0, 0, 2, 2, 2)
    ]


@pytest.mark.parametrize(
    ("fields", "name", "text"),
    [
        ({"starts": "17:45"}, "starts", "Expected a full or half hour."),
        ({"starts": "24:00"}, "starts", "expected a time of day such as 17:30"),
        ({"ends": "20:30:30"}, "ends", "Expected a full or half hour."),
        ({"season_from": "13-01", "season_to": "02-15"}, "season_from",
         "Expected a month and a day, such as 10-15."),
        ({"ends": "17:00"}, None, "It ends before it begins: enter two periods."),
        ({"season_from": "10-15"}, None, "A season has a first and a last day."),
        ({"band": "  "}, "band", "at least 1"),
        ({"days": []}, "days", "at least 1"),
        ({"days": ["noday"]}, "days", "'weekday'"),
    ],
)  # fmt: skip
def test_it_says_what_is_wrong_with_a_period(
    account: Account, fields: dict[str, Any], name: str | None, text: str
) -> None:
    client, base = call(account)
    problem = read_problem(post(client, f"{base}/periods", PONTA | fields), status=422)
    assert text in problem["detail"]
    assert {one["name"] for one in problem.get("errors", [])} == ({name} if name else set())
    assert not BandPeriod.objects.exists()


def test_it_says_what_stands_against_one_more(account: Account) -> None:
    client, base = call(account, accept_language="pt-BR")
    day = {"day": "2026-11-02"}
    assert post(client, f"{base}/holidays", day).status_code == 200
    problem = read_problem(post(client, f"{base}/holidays", day), status=409)
    assert problem["detail"] == "day: Este dia já é feriado."
    period = BandPeriod(account=account, band="x", days=["sunday"], starts=time(1), ends=time(2))
    BandPeriod.objects.bulk_create(copy(period) for _ in range(MOST_PERIODS))
    problem = read_problem(post(client, f"{base}/periods", PONTA), status=409)
    assert "exclua um" in problem["detail"]
    days = (date(2027, 1, 1) + timedelta(days=number) for number in range(MOST_HOLIDAYS))
    Holiday.objects.bulk_create(Holiday(account=account, day=day) for day in days)
    problem = read_problem(post(client, f"{base}/holidays", {"day": "2031-01-01"}), status=409)
    assert str(MOST_HOLIDAYS) in problem["detail"]


def test_others_do_not_write_bands(account: Account) -> None:
    period = BandPeriod.objects.create(
        account=account, band="x", days=["sunday"], starts=time(1), ends=time(2)
    )
    holiday = Holiday.objects.create(account=account, day=date(2026, 11, 2))
    viewer, base = call(account, "viewer")
    stranger, elsewhere = call(Account.objects.create(name="B"), "owner")
    asked = [
        ("periods", PONTA), ("holidays", {"day": "2026-12-25"}),
        (f"periods/{period.pk}", None), (f"holidays/{holiday.pk}", None),
    ]  # fmt: skip
    for path, body in asked:
        for client, address, status in (
            (viewer, f"{base}/{path}", 403),
            (stranger, f"{base}/{path}", 404),
            *([] if body else [(stranger, f"{elsewhere}/{path}", 404)]),
        ):
            answer = post(client, address, body) if body else client.delete(address)
            read_problem(answer, status=status)
    assert (BandPeriod.objects.get(), Holiday.objects.get()) == (period, holiday)


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
