"""An account with a fleet, users of every role, and clients with tokens."""

import secrets
from collections.abc import Callable, Iterator
from datetime import UTC, date, datetime
from typing import Any

import pytest
from django.contrib.auth import get_user_model
from django.core.management import call_command
from django.db import connections
from django.test import Client

from telemetry.accounts.tokens import issue_token
from telemetry.core.batch import RawMessage
from telemetry.models import Account, Alarm, ApiToken, Device, Edit, Finding, Membership, User
from telemetry.store.aggregates.refresh import refresh_aggregates
from telemetry.store.billing.closing import close_month
from telemetry.store.db.connection import Connection, open_connection
from tests.conftest import CONTRACT, clear_tables
from tests.integration.store.ingest import store
from tests.messages import make_message

ALL_SCOPES = tuple(ApiToken.Scope.values)


@pytest.fixture(scope="module")
def seeded(database_url: str, django_db_blocker: Any) -> Iterator[Connection]:
    """An empty database with the contract's fleet, once for all tests of a module.

    Tests add what they need: they must not count on what is not there.
    """
    with (
        django_db_blocker.unblock(),
        open_connection(database_url, name="test", statement_timeout_s=60) as opened,
    ):
        connections.close_all()  # a test before this one may have ended the server
        clear_tables(opened)
        call_command("load_fleet", str(CONTRACT / "fleet.json"), verbosity=0)
        yield opened


@pytest.fixture(scope="module")
def own(seeded: Connection) -> Account:
    """The account that the tests call their own."""
    return Account.objects.get(name="Conta Teste Telemetria")


@pytest.fixture(scope="module")
def foreign(seeded: Connection) -> Account:
    """An account that they are no members of."""
    return Account.objects.get(name="Second Account")


def make_user(**roles: Account) -> User:
    """A user with a role in each account: `make_user(owner=account)`."""
    name = f"user-{secrets.token_hex(4)}"
    user: Any = get_user_model().objects.create_user(name, f"{name}@example.org")
    for role, account in roles.items():
        Membership.objects.create(user=user, account=account, role=role)
    return user  # type: ignore[no-any-return]


def call_with(text: str) -> Client:
    """A client that sends a token."""
    return Client(headers={"Authorization": f"Bearer {text}"})


@pytest.fixture(scope="module")
def stocked(seeded: Connection, own: Account, foreign: Account) -> Connection:
    """Three September days of readings in both accounts, which spread no gaps, refreshed; the own
    one's month closed and adjusted since; rejected messages; alarms."""
    Account.objects.update(spreads_gaps=False)
    for day in (1, 2, 3):
        for hour in (12, 13):
            at = f"2026-09-{day:02}T{hour}:00:00Z"
            store(
                seeded,
                make_message(code="D01", valor="1.5", at=at),
                make_message(code="D03", valor="-20", unit="°C", at=at),
                make_message(mac="11:22:33:44:55:66", valor=day * 10 + hour, at=at),
            )
    refresh_aggregates(seeded)
    december = datetime(2026, 12, 1, tzinfo=UTC)
    close_month(own.pk, month=date(2026, 9, 1), user_id=None, now=december)
    store(seeded, make_message(code="D01", valor="0.25", at="2026-09-04T12:00:00Z"))
    refresh_aggregates(seeded)
    store(
        seeded,
        make_message(code="X", at="2026-09-01T12:00:00Z"),
        make_message(code="D01", unit="MWh", at="2026-09-01T12:00:00Z"),
        make_message(mac="11:22:33:44:55:66", code="X", at="2026-09-01T12:00:00Z"),
        RawMessage("tds_new/devices/aa:bb:cc:dd:ee:ff/telemetry", b"\xff\x00 no JSON"),
    )
    for account in (own, foreign):
        device = Device.objects.filter(account=account).order_by("pk")[0]
        for number in range(3):
            at = datetime(2026, 9, 1, number, tzinfo=UTC)
            Alarm.objects.create(
                account=account, device=device, kind="high", limit="1", value="1.5",
                opened_at=at, last_beyond_at=at, closed_at=at if number else None,
                ending="reading" if number else "",
            )  # fmt: skip
        Finding.objects.create(account=account, device=device, rule="silent", since=at)
        Edit.objects.create(
            account=account, device=device, kind="void", since=at, until=at, reason="a spike",
            state="rejected",
        )  # fmt: skip
    return seeded


@pytest.fixture(scope="module")
def member(own: Account) -> User:
    """A viewer of the own account."""
    return make_user(viewer=own)


@pytest.fixture(scope="module")
def api(member: User) -> Client:
    """The viewer's client, with a token of all scopes."""
    _, text = issue_token(member, name="test", scopes=ALL_SCOPES)
    return call_with(text)


Get = Callable[..., Any]


@pytest.fixture(scope="module")
def get(api: Client, own: Account) -> Get:
    """Asks for something of the own account; parameters by name; what was answered."""

    def ask(path: str, **parameters: Any) -> Any:
        return api.get(f"/api/v1/accounts/{own.pk}{path}", parameters)

    return ask


def read_problem(response: Any, *, status: int) -> Any:
    """The problem that was answered, in its one form."""
    assert response.status_code == status, response.content
    assert response.headers["Content-Type"] == "application/problem+json"
    body = response.json()
    assert body["status"] == status
    assert body["detail"].endswith(".")
    return body
