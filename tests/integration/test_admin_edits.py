"""Edits in the admin: readings voided, edits undone and approved, a conflict's value taken."""

from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest
from django.contrib.auth.models import Permission
from django.test import Client

from telemetry.core.consumption import Meter, Value
from telemetry.models import Account, DeadLetter, Edit
from telemetry.store.db.connection import Connection
from tests.consumption import Site, put, read, register
from tests.integration.store.ingest import store
from tests.integration.test_admin_pages import log_in
from tests.messages import make_message

pytestmark = [pytest.mark.integration, pytest.mark.usefixtures("environ")]

READINGS, EDITS = "/admin/telemetry/readinglisting/", "/admin/telemetry/edit/"


@pytest.fixture
def site(connection: Connection) -> Site:
    site = register(connection, Meter("delta"))
    put(connection, [(site, Value(datetime.now(UTC), Decimal(5)))])
    return site


def press(client: Client, address: str, action: str, key: Any, **fields: Any) -> str:
    form = {"action": action, "_selected_action": [key], **fields}
    return client.post(address, form, follow=True).content.decode()


def find_key(connection: Connection) -> str:
    [(key,)] = read(connection, "SELECT id FROM reading_listing")
    return str(key)


def test_it_voids_a_reading_after_asking_and_undoes_it(connection: Connection, site: Site) -> None:
    client = log_in(is_superuser=True)
    key = find_key(connection)
    assert "Void readings: 1." in press(client, READINGS, "void", key)
    assert "expected 1 to 500 characters" in press(client, READINGS, "void", key, confirmed="yes")
    assert read(connection, "SELECT value FROM reading") == [(5,)]
    page = press(client, READINGS, "void", key, confirmed="yes", note="a spike")
    assert "Done: 1." in page
    assert read(connection, "SELECT value FROM reading") == []
    [edit] = Edit.objects.select_related("requested_by")
    assert (edit.reason, edit.state) == ("a spike", "applied")
    assert edit.requested_by is not None
    assert edit.requested_by.username == "somebody"
    assert "a spike" in client.get(EDITS).content.decode()
    press(client, EDITS, "undo", edit.pk, confirmed="yes", note="it was right")
    assert read(connection, "SELECT value FROM reading") == [(5,)]


def test_it_lets_nobody_approve_their_own_edit(connection: Connection, site: Site) -> None:
    Account.objects.update(edits_need_approval=True)
    client = log_in(is_superuser=True)
    press(client, READINGS, "void", find_key(connection), confirmed="yes", note="a spike")
    [edit] = Edit.objects.all()
    assert edit.state == "waiting"
    page = press(client, EDITS, "approve", edit.pk, confirmed="yes")
    assert "another admin must approve it" in page
    press(client, EDITS, "reject", edit.pk, confirmed="yes")
    edit.refresh_from_db()
    assert edit.state == "rejected"
    assert read(connection, "SELECT value FROM reading") == [(5,)]


def test_it_offers_no_edit_to_staff_who_may_only_look(connection: Connection, site: Site) -> None:
    client = log_in()
    for name in ("view_readinglisting", "view_edit"):
        permission = Permission.objects.get(codename=name)
        permission.user_set.set([client.session["_auth_user_id"]])  # type: ignore[attr-defined]
    press(client, READINGS, "void", find_key(connection), confirmed="yes", note="a spike")
    assert client.get(READINGS).status_code == 200
    assert not Edit.objects.exists()


def test_it_takes_the_value_of_a_conflict(connection: Connection, fleet: None) -> None:
    store(connection, make_message(valor=5))
    store(connection, make_message(valor=6))
    client = log_in(is_superuser=True)
    letters = "/admin/telemetry/deadletter/"
    key = DeadLetter.objects.get().pk
    press(client, letters, "take_value", key, confirmed="yes", note="the second one is right")
    assert read(connection, "SELECT value FROM reading") == [(6,)]
    assert DeadLetter.objects.get().state == "taken"
