"""The workbench of dead letters: groups, registration, dry run, edit, discard and undo."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.contrib.auth import get_user_model
from django.contrib.auth.models import Permission
from django.db import connection as django_connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from telemetry.dead_letters.origin import find_origin
from telemetry.models import (
    Account,
    DeadLetter,
    DeadLetterAction,
    DeadLetterGroup,
    Device,
    Gateway,
)
from telemetry.store.db.connection import Connection
from telemetry.store.operations.summaries import count_groups
from tests.integration.store.ingest import claimed, store
from tests.messages import make_message

pytestmark = pytest.mark.integration

LIST = "/admin/telemetry/deadlettergroup/"
MAC, NEW_MAC = "aa:bb:cc:dd:ee:ff", "02:77:00:00:00:01"


@pytest.fixture
def client(environ: dict[str, str], connection: Connection, fleet: None, queue: Any) -> Client:
    """An administrator, three messages of a gateway that nobody registered, two in a wrong unit and
    one that contradicts a stored reading."""
    now = datetime.now(UTC)
    at = [(now - timedelta(minutes=minute)).isoformat() for minute in range(3)]
    unknown = [make_message(mac=NEW_MAC, code="M1", valor=n, at=at[n]) for n in range(3)]
    units = [make_message(code="D02", unit="kwh", valor=n, at=at[n]) for n in range(2)]
    store(connection, make_message(at=at[2]), batch=claimed("b1", received_at=now))
    conflict = make_message(at=at[2], valor=9)
    store(connection, *unknown, *units, conflict, batch=claimed("b2", received_at=now))
    count_groups()
    user = get_user_model().objects.create_user("admin", is_staff=True, is_superuser=True)
    client = Client()
    client.force_login(user)
    return client


def read(client: Client, address: str, **data: Any) -> str:
    return client.get(address, data).content.decode()


def open_group(reason: str) -> str:
    return reverse(
        "admin:telemetry_deadlettergroup_open", args=[DeadLetterGroup.objects.get(reason=reason).pk]
    )


def test_it_lists_a_line_for_each_reason_and_gateway_and_finds_macs_in_any_form(
    client: Client,
) -> None:
    page = read(client, LIST)
    for text in ("Unregistered gateway", "Other unit", "Another value is stored", "Register gat"):
        assert page.count(f"<b>{text}</b>") == 1 or text == "Register gat", text
    assert page.count(f"register/{NEW_MAC}/") == 1
    for term in ("027700000001", "02-77-00-00-00-01", "02:77:00:00:00:01", "02:77:00", "D0"):
        found = read(client, LIST, q=term)
        assert ("Unregistered" in found.partition("result_list")[2]) == (term != "D0"), term
        assert "Other unit</b>" not in found, term
    assert "Other unit</b>" in read(client, LIST, q="D02")
    assert "Unregistered gateway</b>" not in read(client, LIST, q="D02")
    assert "Other unit</b>" in read(client, LIST, q="Conta Teste")
    assert "Unregistered gateway</b>" not in read(client, LIST, reason="unit_mismatch")
    for term in ("GW-TEST-002", "aa:bb:cc:dd:ee:02", "AABBCCDDEE02", "conta teste"):
        found = client.get("/admin/telemetry/gateway/", {"q": term}).content.decode()
        assert "GW-TEST-002" in found.partition("result_list")[2], term
        chosen = {"app_label": "telemetry", "model_name": "device", "field_name": "gateway"}
        answer = client.get("/admin/autocomplete/", {"term": term, **chosen})
        assert "GW-TEST-002" in answer.content.decode(), term
    for form in ("027700000001", "02-77-00-00-00-01"):
        single = read(client, "/admin/telemetry/deadletter/", q=form)
        assert single.count("unknown_gateway") >= 3
        rows = single.partition("result_list")[2].partition("</table>")[0]
        assert "unit_mismatch" not in rows


def test_it_registers_a_gateway_filled_from_its_payloads(client: Client) -> None:
    address = f"{LIST}register/{NEW_MAC}/"
    page = read(client, address)
    for text in ("3 readings would be stored", 'value="GW-000001"', 'value="M1"', 'value="kWh"'):
        assert text in page, text
    account = Account.objects.get(name="Conta Teste Telemetria")
    fields = {
        "account": account.pk, "code": "GW-000001", "name": "", "devices-TOTAL_FORMS": 1,
        "devices-INITIAL_FORMS": 1, "devices-0-is_chosen": "on", "devices-0-code": "M1",
        "devices-0-kind": "meter", "devices-0-measurement": "delta", "devices-0-unit": "kWh",
    }  # fmt: skip
    taken = client.post(address, {**fields, "code": Gateway.objects.get(mac=MAC).code})
    assert "already" in taken.content.decode()
    assert not Gateway.objects.filter(mac=NEW_MAC).exists()
    assert client.post(address, fields).status_code == 302
    device = Device.objects.get(gateway__mac=NEW_MAC)
    assert (device.code, device.unit, device.account) == ("M1", "kWh", account)
    assert client.get(address).status_code == 302  # it is registered by now
    group = read(client, open_group("unknown_gateway"), dry_run=1)
    assert "3 readings would be stored" in group


def test_it_shows_what_fails_and_what_a_replay_would_come_to(client: Client) -> None:
    page = read(client, open_group("unit_mismatch"), dry_run=1)
    failing = page.partition('class="failing"')[2][:120]
    assert "unidade" in failing
    assert "0 readings would be stored" in page
    assert "2 rejected again" in page
    assert "1 rejected again" in read(client, open_group("conflicting_reading"), dry_run=1)
    Device.objects.filter(code="D02", gateway__mac=MAC).update(unit="kwh")
    assert "2 readings would be stored" in read(client, open_group("unit_mismatch"), dry_run=1)
    assert client.post(open_group("unit_mismatch"), {"replay": "1"}).status_code == 302
    assert set(DeadLetter.objects.filter(reason="unit_mismatch").values_list("state")) == {
        ("replayed",)
    }
    assert not DeadLetterGroup.objects.filter(reason="unit_mismatch").exists()
    action = DeadLetterAction.objects.get()
    assert (action.kind, action.dead_letters) == ("replay", 2)
    assert "This cannot be undone" in read(client, LIST)


def test_it_maps_a_unit_for_all_and_replays_them(client: Client, queue: Any) -> None:
    opened = open_group("unit_mismatch")
    assert "Map a unit" not in read(client, open_group("conflicting_reading"))
    tried = read(client, opened, before="kwh", after="m\u00b3")
    assert "2 readings would be stored" in tried
    assert "Map kwh to m\u00b3 and replay" in tried
    assert "0 readings would be stored" in read(client, opened, before="other", after="m\u00b3")
    answer = client.post(opened, {"replay": "1", "before": "other", "after": "m\u00b3"})
    assert answer.status_code == 302
    assert queue.snapshot().pending_messages == 0
    client.post(opened, {"replay": "1", "before": "kwh", "after": "m\u00b3"})
    assert queue.snapshot().pending_messages == 2
    assert not DeadLetterGroup.objects.filter(reason="unit_mismatch").exists()
    action = DeadLetterAction.objects.latest("at")
    assert (action.kind, action.dead_letters, action.note) == ("edit", 2, "kwh \u2192 m\u00b3")


def test_it_discards_with_a_reason_and_undoes_it(client: Client) -> None:
    assert "Say why" in client.post(
        open_group("unknown_gateway"), {"discard": "1", "note": " "}, follow=True
    ).content.decode()  # fmt: skip
    client.post(open_group("unknown_gateway"), {"discard": "1", "note": "test bench"})
    discarded = DeadLetter.objects.filter(reason="unknown_gateway")
    assert set(discarded.values_list("state")) == {("discarded",)}
    page = read(client, LIST)
    assert "test bench" in page
    assert "Unregistered gateway</b>" not in page
    one = discarded.first()
    assert one is not None
    assert "test bench" in read(client, f"/admin/telemetry/deadletter/{one.pk}/change/")
    undo = reverse("admin:telemetry_deadlettergroup_undo", args=[DeadLetterAction.objects.get().pk])
    assert client.get(undo).status_code == 404
    for _again in range(2):
        assert client.post(undo).status_code == 302
        assert set(discarded.values_list("state")) == {("pending",)}
    assert "Unregistered gateway</b>" in read(client, LIST)
    assert "Undone." in read(client, LIST)


def test_it_tries_an_edited_message_and_sends_it(
    client: Client, connection: Connection, queue: Any
) -> None:
    row = DeadLetter.objects.filter(reason="unit_mismatch").order_by("id").first()
    assert row is not None
    address = f"/admin/telemetry/deadletter/{row.pk}/edit/"
    assert "unidade" in read(client, address)
    edited = bytes(row.payload).decode().replace("kwh", "m3")
    page = client.post(address, {"payload": edited, "dry_run": "1"}).content.decode()
    assert "1 reading would be stored" in page
    assert "1 rejected again" in client.post(address, {"payload": "{"}).content.decode()
    row.refresh_from_db()
    assert row.state == "pending"
    assert client.post(address, {"payload": edited, "replay": "1"}).status_code == 302
    row.refresh_from_db()
    assert row.state == "replayed"
    assert queue.snapshot().pending_messages == 1
    assert "not edited" in read(client, address) or "not wait any more" in read(client, address)
    assert DeadLetterAction.objects.get().kind == "edit"


def test_it_leads_from_a_stored_reading_back_to_its_dead_letter(
    client: Client, connection: Connection
) -> None:
    row = DeadLetter.objects.filter(reason="unit_mismatch").order_by("id").first()
    assert row is not None
    now = datetime.now(UTC)
    payload = bytes(row.payload)
    at = datetime.fromisoformat(payload.decode().partition('"timestamp":"')[2].partition('"')[0])
    device = Device.objects.filter(gateway__mac=MAC, code="D02").first()
    named = {"device_id": device.pk if device else 0, "mac": MAC, "code": "D02", "at": at}
    assert find_origin(**named, received_at=now) is None  # it still waits
    DeadLetter.objects.filter(pk=row.pk).update(state="replayed", handled_at=now)
    assert find_origin(**named, received_at=now) == row
    assert find_origin(**{**named, "code": "D01"}, received_at=now) is None
    assert find_origin(**named, received_at=now - timedelta(hours=1)) is None


def test_it_lets_those_who_may_look_decide_nothing(client: Client) -> None:
    count_groups()
    user = get_user_model().objects.create_user("viewer", is_staff=True)
    viewer = Client()
    viewer.force_login(user)
    opened = open_group("unknown_gateway")
    assert viewer.get(LIST).status_code == 403
    assert viewer.get(opened).status_code == 404
    seen = ("view_deadletter", "see_every_account")
    user.user_permissions.add(*Permission.objects.filter(codename__in=seen))
    assert viewer.get(LIST).status_code == 200
    assert "Discard" not in read(viewer, opened)
    viewer.post(opened, {"discard": "1", "note": "no"})
    assert not DeadLetterAction.objects.exists()
    assert viewer.get(f"{LIST}register/{NEW_MAC}/").status_code == 403
    [row] = DeadLetter.objects.filter(reason="unknown_gateway")[:1]
    assert viewer.get(f"/admin/telemetry/deadletter/{row.pk}/edit/").status_code == 404


MANY = """
INSERT INTO dead_letter (fingerprint, topic, payload, reason, detail, mac, device_code,
    first_seen, last_seen, occurrences, state)
SELECT decode(md5(n::text), 'hex'), 'a topic', '{}', 'bad_json', 'nested too deeply', '', '',
    now(), now() - n * interval '1 second', 1, 'pending'
FROM generate_series(1, 6000) n
"""


def test_it_looks_for_a_text_once_and_lists_the_newest_that_have_it(
    client: Client, connection: Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Counting and listing looked through the newest 5,000 again, each after it had sorted all."""
    connection.execute(MANY)
    monkeypatch.setattr("telemetry.admin.search.MOST_FOUND", 50)
    with CaptureQueriesContext(django_connection) as queries:
        page = client.get("/admin/telemetry/deadletter/", {"q": "nested too"})
    assert len(page.context["cl"].result_list) == 50
    newest = DeadLetter.objects.filter(reason="bad_json").order_by("-last_seen")[:50]
    assert [row.pk for row in page.context["cl"].result_list] == [row.pk for row in newest]
    statements = [query["sql"] for query in queries if "dead_letter" in query["sql"]]
    [limited] = [text for text in statements if "%nested%" in text.lower()]
    assert "LIMIT 5000" in limited
    with connection.cursor() as cursor:
        cursor.execute("ANALYZE dead_letter")
        plan = "\n".join(line for (line,) in cursor.execute(f"EXPLAIN {limited}").fetchall())  # type: ignore[arg-type]
    assert "using dead_letter_last_seen on dead_letter" in plan
