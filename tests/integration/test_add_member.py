"""The command that gives an account its first owner."""

import pytest
from django.core.management import call_command
from django.core.management.base import CommandError

from telemetry.models import Account, Membership, User
from telemetry.store.db.connection import Connection

pytestmark = pytest.mark.integration


def add(*arguments: str) -> None:
    call_command("add_member", *arguments, verbosity=0)


def test_it_creates_a_user_once_and_changes_roles(
    connection: Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    Account.objects.create(name="Alpha")
    with pytest.raises(CommandError, match="MEMBER_PASSWORD is not set"):
        add("ana", "--account", "Alpha")
    monkeypatch.setenv("MEMBER_PASSWORD", "short-one")
    with pytest.raises(CommandError, match=r"MEMBER_PASSWORD=\(hidden\): .* 12 characters"):
        add("ana", "--account", "Alpha")
    monkeypatch.setenv("MEMBER_PASSWORD", "a-long-secret")
    add("ana", "--account", "Alpha", "--email", "ana@example.com")
    user = User.objects.get()
    assert user.check_password("a-long-secret")
    assert Membership.objects.get().role == "owner"
    monkeypatch.setenv("MEMBER_PASSWORD", "another")
    add("ana", "--account", "Alpha", "--role", "viewer")
    user.refresh_from_db()
    assert user.check_password("a-long-secret")
    assert Membership.objects.get().role == "viewer"


def test_it_names_the_accounts_that_there_are(connection: Connection) -> None:
    Account.objects.create(name="Alpha")
    with pytest.raises(CommandError, match="no such account: expected one of Alpha"):
        add("ana", "--account", "Beta")
