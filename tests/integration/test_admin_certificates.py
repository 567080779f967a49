"""Certificates in the admin: who may do what, and what is kept of it."""

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from django.contrib.admin.models import LogEntry
from django.contrib.auth.models import Permission
from django.core.management import call_command
from django.test import Client

from telemetry.admin.enrolments import APPROVE, TURN_DOWN
from telemetry.certificates import archive
from telemetry.certificates.enrolment import sign_approved
from telemetry.models import Account, Certificate, Enrolment, Gateway, Lot, User
from telemetry.store.db.connection import Connection
from tests.certificates import make_request
from tests.databases import connect_as

pytestmark = pytest.mark.integration

MAC, NEW = "aa:bb:cc:dd:ee:ff", "02:00:00:00:00:61"
CERTIFICATES, ENROLMENTS = "/admin/telemetry/certificate/", "/admin/telemetry/enrolment/"


@pytest.fixture
def user(connection: Connection, environ: dict[str, str], fleet: None, queue: Any) -> User:
    clerk = User.objects.create_user("clerk", is_staff=True)
    allow(clerk, "see_every_account")
    return clerk


@pytest.fixture
def client(user: User) -> Client:
    client = Client()
    client.force_login(user)
    return client


def allow(user: User, *names: str) -> None:
    user.user_permissions.add(*Permission.objects.filter(codename__in=names))


@pytest.fixture
def certificate(user: User, tmp_path: Path, servers: Any) -> Certificate:
    with connect_as(servers.environ["DATABASE_URL"]):
        call_command("ca", "issue", MAC, "--folder", str(tmp_path), verbosity=0)
    return Certificate.objects.get()


@pytest.fixture
def pending(user: User, servers: Any) -> Enrolment:
    with connect_as(servers.environ["DATABASE_URL"]):
        lot = Lot.objects.create(
            name="1", serial="1", max_gateways=1, not_after=datetime(2100, 1, 1, tzinfo=UTC)
        )
    return Enrolment.objects.create(
        mac=NEW, lot=lot, csr=make_request(NEW).decode(), key_digest="1", model="TG-8"
    )


def revoke(client: Client, certificate: Certificate, **fields: str) -> Any:
    data = {"action": "revoke", "_selected_action": certificate.pk, **fields}
    return client.post(CERTIFICATES, data)


def test_it_asks_before_it_revokes_and_keeps_who_did_it_and_why(
    client: Client, user: User, certificate: Certificate
) -> None:
    allow(user, "view_certificate", "change_certificate")
    page = revoke(client, certificate).content.decode()
    assert "Revoke 1 certificate?" in page
    assert '<option value="key_compromise">' in page
    certificate.refresh_from_db()
    assert certificate.revoked_at is None

    revoke(client, certificate, confirmed="yes", choice="nonsense")
    certificate.refresh_from_db()
    assert certificate.revoked_at is None
    revoke(client, certificate, confirmed="yes", choice="key_compromise")
    certificate.refresh_from_db()
    assert (certificate.revoked_by, certificate.reason) == (user, "key_compromise")
    assert LogEntry.objects.get().change_message == "revoked: key_compromise"


def test_it_lets_nobody_revoke_or_issue_who_may_only_look(
    client: Client, user: User, certificate: Certificate
) -> None:
    allow(user, "view_certificate")
    assert client.get(CERTIFICATES).status_code == 200
    revoke(client, certificate, confirmed="yes", choice="key_compromise")
    certificate.refresh_from_db()
    assert certificate.revoked_at is None
    for action in ("sign", "make-key"):
        assert client.get(f"{CERTIFICATES}{action}/").status_code == 403
        assert client.post(f"{CERTIFICATES}{action}/", {"mac": MAC}).status_code == 403
    for path in ("add/", f"{certificate.pk}/delete/"):
        assert client.get(f"{CERTIFICATES}{path}").status_code == 403


def test_it_shows_certificates_to_nobody_without_the_right(
    client: Client, certificate: Certificate
) -> None:
    for path in ("", f"{certificate.pk}/change/"):
        assert client.get(f"{CERTIFICATES}{path}").status_code == 403
    assert client.get(f"{CERTIFICATES}{certificate.pk}/chain").status_code == 404


def test_it_approves_a_request_that_was_brought(client: Client, user: User, servers: Any) -> None:
    allow(user, "view_certificate", "add_certificate", "view_enrolment")
    wrong = client.post(f"{CERTIFICATES}sign/", {"csr": make_request(NEW).decode()})
    assert f"there is no gateway {NEW}" in wrong.content.decode()
    done = client.post(f"{CERTIFICATES}sign/", {"csr": make_request(MAC).decode()})
    enrolment = Enrolment.objects.get()
    assert done.status_code == 302
    assert done["Location"] == f"{ENROLMENTS}{enrolment.pk}/change/"
    assert (enrolment.state, enrolment.decided_by) == ("approved", user)
    with connect_as(servers.environ["MAINTENANCE_DATABASE_URL"]):
        assert sign_approved(now=datetime.now(UTC)) == 1
    assert Certificate.objects.get().issued_by == user


def test_it_leaves_nothing_to_sign_when_nobody_signed_a_key_in_time(
    client: Client, user: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(archive, "WAIT_S", 0.2)
    allow(user, "view_certificate", "add_certificate")
    page = client.post(f"{CERTIFICATES}make-key/", {"mac": MAC}).content.decode()
    assert "no maintenance worker signed within 0 s" in page
    assert sign_approved(now=datetime.now(UTC)) == 0
    assert not Certificate.objects.exists()


def test_it_allocates_a_gateway_to_an_account_once(
    client: Client, user: User, pending: Enrolment
) -> None:
    allow(user, "view_enrolment", "change_enrolment")
    address = f"{ENROLMENTS}{pending.pk}/change/"
    account = Account.objects.earliest("id")
    missing = client.post(address, {APPROVE: "1", "code": "GW-61"}).content.decode()
    assert "Choose where the gateway goes." in missing
    taken = Gateway.objects.filter(account=account).earliest("id").code
    client.post(address, {APPROVE: "1", "account": account.pk, "code": taken})
    assert not Gateway.objects.filter(mac=NEW).exists()

    client.post(address, {APPROVE: "1", "account": account.pk, "code": "GW-61"})
    pending.refresh_from_db()
    assert (pending.state, pending.decided_by) == ("approved", user)
    gateway = Gateway.objects.get(mac=NEW)
    assert (gateway.account, gateway.code, gateway.name) == (account, "GW-61", "TG-8")
    assert pending.gateway == gateway
    again = client.post(address, {APPROVE: "1", "account": account.pk, "code": "GW-62"})
    assert again.status_code == 403


def test_it_rejects_with_a_note(client: Client, user: User, pending: Enrolment) -> None:
    allow(user, "view_enrolment", "change_enrolment")
    address = f"{ENROLMENTS}{pending.pk}/change/"
    client.post(address, {TURN_DOWN: "1", "note": "not in the delivery"})
    pending.refresh_from_db()
    assert (pending.state, pending.note) == ("rejected", "not in the delivery")


def test_it_decides_nothing_for_staff_who_may_only_look(
    client: Client, user: User, pending: Enrolment
) -> None:
    allow(user, "view_enrolment")
    address = f"{ENROLMENTS}{pending.pk}/change/"
    assert client.get(address).status_code == 200
    account = Account.objects.earliest("id")
    fields = {APPROVE: "1", "account": account.pk, "code": "GW-61"}
    assert client.post(address, fields).status_code == 403
    pending.refresh_from_db()
    assert pending.state == "pending"


def test_it_closes_a_lot(client: Client, user: User, pending: Enrolment) -> None:
    allow(user, "view_lot", "change_lot")
    assert pending.lot is not None
    data = {"action": "close", "_selected_action": pending.lot.pk, "confirmed": "yes"}
    client.post("/admin/telemetry/lot/", data)
    assert Lot.objects.get().closed_at is not None
