"""Hostile fields in forms of members: an answer, never an error."""

from datetime import UTC, datetime, timedelta

import pytest
from django.test import Client
from django.urls import reverse

from telemetry.core.consumption import Meter, Value
from telemetry.models import Finding, Membership, SavedView, User
from telemetry.store.db.connection import Connection
from tests.consumption import Site, put, register
from tests.integration.web.metered import refresh

pytestmark = pytest.mark.integration

INSTANTS = (
    "0001-01-01 00:00", "9999-12-31 23:59:59", "0001-01-01T00:00:00+14:00", "2026-10-10 10:00",
    "9999-12-31T23:59:59-12:00", "\0", "9" * 400, "2026-10-25 02:30:00.9999999",
)  # fmt: skip


@pytest.fixture
def site(connection: Connection) -> Site:
    found = register(connection, Meter("cumulative"), zone="America/Sao_Paulo")
    connection.execute("UPDATE device SET unit = 'kWh'")
    now = datetime.now(UTC)
    put(connection, [(found, Value(now - timedelta(hours=n), 1000 - n)) for n in range(100)])
    refresh(connection)
    return found


def open_as(site: Site, role: str = "owner") -> Client:
    user = User.objects.create_user(f"{role}-{site.account_id}")
    Membership.objects.create(user=user, account_id=site.account_id, role=role)
    client = Client(raise_request_exception=False)
    client.force_login(user)
    return client


def test_it_answers_hostile_instants(connection: Connection, site: Site) -> None:
    client = open_as(site)
    base = f"/accounts/{site.account_id}"
    device = f"{base}/devices/{site.device_id}"
    wrong = []
    for at in INSTANTS:
        period = {"since": "2026-10-10 10:00", "until": at, "what": "factor", "number": "1"}
        change = {"since": at, "measurement": "cumulative", "unit": "kWh"}
        for path, fields in (
            ("report/", {"at": at, "text": "wrong"}),
            ("notes/", {"day": at[:10], "text": at}),
            ("readings/", {"since": at, "until": at, "what": "void", "reason": "x"}),
            ("readings/", {**period, "reason": "x"}),
            ("meter/", {**change, "step": "preview"}),
            ("meter/", {**change, "step": "enter", "factor": "9" * 40, "serial": at}),
            ("edit/", {"name": at[:100], "group": at[:50], "alarm_low": at, "alarm_high": "NaN"}),
            ("edit/", {"name": "a", "alarm_low": "-1e30", "alarm_high": "Infinity"}),
        ):
            status = client.post(f"{device}/{path}", fields).status_code
            if status >= 500 or status == 404:
                wrong.append((path, at, status))
        for path in (
            f"{device}/readings/?until={at}&edit={at}&to={at}&finding={at}",
            f"{device}/meter/?since={at}", f"{device}/report/?at={at}", f"{device}/notes/?day={at}",
            f"{base}/statements/?since={at}&until={at}",
        ):  # fmt: skip
            status = client.get(path).status_code
            if status >= 500 or status == 404:
                wrong.append((path, at, status))
    assert not wrong, "\n".join(map(repr, wrong))


def test_it_answers_hostile_decisions(connection: Connection, site: Site) -> None:
    client = open_as(site)
    finding = Finding.objects.create(
        account_id=site.account_id, device_id=site.device_id, rule="silent",
        since=datetime(2026, 10, 1, tzinfo=UTC),
    )  # fmt: skip
    address = f"/accounts/{site.account_id}/findings/{finding.pk}/decide/"
    for month in ("x", "2026-13-01", "\0", "https://evil.example/", "/../", "2026-10-01"):
        answer = client.post(address, {"state": "ignored", "reason": "x", "month": month})
        assert answer.status_code in (302, 404), month
        assert "evil" not in answer.headers.get("Location", "")


def test_it_shows_saved_views_whatever_their_address(connection: Connection, site: Site) -> None:
    client = open_as(site)
    base = f"/accounts/{site.account_id}/"
    save = reverse("save-view", args=[site.account_id])
    for query in (
        "show=consumption:%00", "group=%00", "show=level:%00", "show=%00", "%00=%00", "span=%00",
        "from=9999-12-31&to=9999-12-31", "from=0001-01-01&to=0001-01-02", "device=" + "9" * 60,
        "month=9999-12-01", "month=0001-01-01", "day=0001-01-01", "days=9999999999999999999999",
        "since=0001-01-01T00:00:00Z&until=9999-12-31T00:00:00Z",
    ):  # fmt: skip
        SavedView.objects.all().delete()
        client.post(f"{save}?{query}", {"name": "hostile", "is_shared": "on"})
        assert SavedView.objects.count() == 1, query
        assert client.get(base).status_code == 200, query
    assert client.post(save, {"name": "a\0b"}).status_code == 400
