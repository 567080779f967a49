"""An account with a fleet, users of every role, and clients with tokens."""

import secrets
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from django.contrib.auth import get_user_model
from django.core.management import call_command
from django.db import connections
from django.test import Client

from telemetry.models import Account, ApiToken, Membership, User
from telemetry.store.connection import Connection, open_connection
from telemetry.tokens import issue_token
from tests.conftest import CONTRACT, clear_tables

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
