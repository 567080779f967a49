"""Every page of the admin opens, with rows and without, and only for those who may."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.contrib import admin
from django.contrib.auth import get_user_model
from django.contrib.auth.models import Permission
from django.test import Client
from django.urls import reverse

from telemetry.models import DeadLetter, Device, Storage, TaskHistory, TaskRun
from telemetry.store.db.connection import Connection
from telemetry.store.db.edition import read_edition
from tests.integration.store.ingest import claimed, store
from tests.messages import make_message
from workers.schedule import ensure_schedule

pytestmark = pytest.mark.integration

READ_ONLY = (
    "readinglisting", "hourlylisting", "batch", "batchday", "gatewayevent", "taskrun",
    "taskhistory", "droppedrange", "alarm", "alarmdelivery", "edit", "finding",
    "monthlyconsumption", "closedmonth", "monthadjustment", "monthevent", "frozenhour",
)  # fmt: skip
STORAGE = "/admin/telemetry/storage/"


def log_in(**fields: Any) -> Client:
    user = get_user_model().objects.create_user("somebody", password="x", is_staff=True, **fields)
    client = Client()
    client.force_login(user)
    return client


def allow(user: Any, permission: str) -> None:
    """Let staff of no account do something, in every account."""
    names = (permission, "see_every_account")
    user.user_permissions.add(*Permission.objects.filter(codename__in=names))


@pytest.fixture
def client(environ: dict[str, str], connection: Connection, fleet: None) -> Client:
    """An administrator."""
    return log_in(is_superuser=True)


def list_addresses() -> list[str]:
    return [
        reverse(f"admin:{model._meta.app_label}_{model._meta.model_name}_changelist")
        for model in admin.site._registry
        if model not in (Storage, TaskRun)  # pages of their own
    ]


def test_it_opens_every_list_and_form(client: Client, connection: Connection) -> None:
    now = datetime.now(UTC)
    at = now.isoformat()
    store(
        connection,
        *(make_message(at=at), make_message(code="X", at=at)),
        batch=claimed(received_at=now),
    )
    ensure_schedule()
    TaskHistory.objects.create(task="x", started_at=now, duration_ms=1, outcome="success")
    for address in list_addresses():
        reply = client.get(address)
        assert reply.status_code == 200, address
        found = reply.context["cl"].result_list
        if len(found):
            one = reverse(
                f"admin:{found[0]._meta.app_label}_{found[0]._meta.model_name}_change",
                args=[found[0].pk],
            )
            assert client.get(one).status_code == 200, one
        expected = 403 if any(f"/{name}/" in address for name in READ_ONLY) else (200, 403)
        form = client.get(f"{address}add/")
        add = form.status_code
        assert add == expected or (isinstance(expected, tuple) and add in expected), address
        assert add != 200 or "DatabaseDefault" not in form.content.decode(), address


def test_it_opens_every_list_when_there_is_nothing(
    environ: dict[str, str], connection: Connection
) -> None:
    client = log_in(is_superuser=True)
    for address in list_addresses():
        assert client.get(address).status_code == 200, address


def test_it_shows_dead_letters_to_nobody_without_the_permission(
    environ: dict[str, str], connection: Connection, fleet: None
) -> None:
    store(connection, make_message(code="X"))
    [dead_letter] = DeadLetter.objects.all()
    client = log_in()
    for address in (
        "/admin/telemetry/deadletter/",
        f"/admin/telemetry/deadletter/{dead_letter.pk}/change/",
    ):
        assert client.get(address).status_code == 403, address
    payload = f"/admin/telemetry/deadletter/{dead_letter.pk}/payload"
    assert client.get(payload).status_code == 404
    user = get_user_model().objects.get(username="somebody")
    allow(user, "view_deadletter")
    assert client.get(payload).content == bytes(dead_letter.payload)
    reply = client.post(
        "/admin/telemetry/deadletter/",
        {"action": "discard", "_selected_action": [dead_letter.pk], "confirmed": "yes"},
    )
    dead_letter.refresh_from_db()
    assert dead_letter.state == "pending", reply.status_code


def test_it_keeps_a_device_that_has_readings(client: Client, connection: Connection) -> None:
    store(connection, make_message())
    device = Device.objects.get(code="D01", gateway__mac="aa:bb:cc:dd:ee:ff")
    reply = client.post(f"/admin/telemetry/device/{device.pk}/delete/", {"post": "yes"})
    assert "deactivate it instead" in reply.content.decode()
    assert Device.objects.filter(pk=device.pk).exists()
    deactivate = f"/admin/telemetry/device/{device.pk}/deactivate/"
    assert deactivate in client.get(f"/admin/telemetry/device/{device.pk}/delete/").content.decode()
    assert client.get(deactivate).status_code == 404
    assert "is deactivated" in client.post(deactivate, follow=True).content.decode()
    device.refresh_from_db()
    assert not device.is_active
    assert (
        deactivate
        not in client.get(f"/admin/telemetry/device/{device.pk}/delete/").content.decode()
    )


def test_it_says_what_is_wrong_when_a_gateway_is_registered_twice(client: Client) -> None:
    reply = client.post(
        "/admin/telemetry/gateway/add/",
        {
            "account": 1, "code": "GW-X", "mac": "AA:BB:CC:DD:EE:FF", "max_devices": 8,
            "devices-TOTAL_FORMS": 0, "devices-INITIAL_FORMS": 0,
        },
    )  # fmt: skip
    assert "Gateway with this MAC already exists." in reply.content.decode()


def test_it_leaves_the_presence_alone_when_a_gateway_is_edited(
    client: Client, connection: Connection
) -> None:
    from telemetry.models import Gateway

    gateway = Gateway.objects.get(mac="aa:bb:cc:dd:ee:ff")
    connection.execute("UPDATE gateway SET is_online = true, last_seen = now()")
    gateway.name = "Edited from what was read before"
    gateway.save()
    gateway.refresh_from_db()
    assert gateway.is_online
    assert gateway.last_seen is not None


def test_it_shows_what_is_stored_and_what_is_dropped_next(
    client: Client, connection: Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = datetime.now(UTC)
    store(connection, make_message(at=now.isoformat()), batch=claimed(received_at=now))
    monkeypatch.setenv("RAW_RETENTION_DAYS", "440")
    monkeypatch.setenv("COMPRESS_AFTER_DAYS", "30")
    page = client.get(STORAGE).content.decode()
    with connection.cursor() as cursor:
        edition = read_edition(cursor)
    compression = {"community": "after 30 days", "apache": "needs TimescaleDB Community"}[edition]
    for words in (edition, "440 days", "for ever", compression, "hourly consumption"):
        assert words in page, words
    assert f"readings of {now:%Y-%m-%d}, on {now + timedelta(days=441):%Y-%m-%d}" in page
    assert f"{now:%Y-%m-%d %H:%M} UTC" in page
    monkeypatch.setenv("RAW_RETENTION_DAYS", "30")
    assert "RAW_RETENTION_DAYS=30: expected 0" in client.get(STORAGE).content.decode()


def test_it_shows_the_storage_to_nobody_without_the_permission(
    environ: dict[str, str], connection: Connection
) -> None:
    client = log_in()
    assert client.get(STORAGE).status_code == 403
    user = get_user_model().objects.get(username="somebody")
    allow(user, "view_storage")
    assert client.get(STORAGE).status_code == 200
    assert STORAGE in client.get("/admin/").content.decode()
