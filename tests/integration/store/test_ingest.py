"""Batches into the database: each once, with every outcome of the contract."""

import threading
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import psycopg
import pytest
from psycopg.pq import TransactionStatus

from telemetry.core.batch import RawMessage
from telemetry.core.payload import reduce_payload
from telemetry.store.db.connection import Connection, open_connection
from telemetry.store.db.errors import is_transient, needs_new_session
from telemetry.store.ingest.fleet_cache import Registry
from telemetry.store.ingest.presence import Presence, mark_offline, mark_online
from telemetry.store.operations.housekeeping import fold_ledger
from tests.integration.store.ingest import claimed, rows, store
from tests.messages import MAC, TOPIC, make_message, make_payload
from tests.stores import open_store, validate_and_store

pytestmark = pytest.mark.integration


def test_it_stores_exact_decimals_in_utc(connection: Connection, fleet: None) -> None:
    counts = store(connection, make_message(valor="123.45", at="2026-11-01T09:00:00.5-03:00"))
    assert counts.readings_stored == 1
    assert rows(connection, "SELECT time, value, unit FROM reading") == [
        (datetime(2026, 11, 1, 12, 0, 0, 500_000, UTC), Decimal("123.4500"), "kWh")
    ]


def test_it_takes_bad_messages_apart_before_the_transaction_begins(
    connection: Connection, fleet: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[TransactionStatus] = []

    def reduce(payload: bytes, index: int) -> bytes:
        seen.append(connection.info.transaction_status)
        return reduce_payload(payload, index)

    monkeypatch.setattr("telemetry.store.ingest.outcomes.reduce_payload", reduce)
    store(connection, make_message(valor="x"), make_message(valor="y"), make_message(valor=1))
    assert seen == [TransactionStatus.IDLE] * 2
    assert rows(connection, "SELECT count(*) FROM dead_letter") == [(2,)]


def test_it_settles_keys_that_meet_inside_a_batch_against_what_stands(
    connection: Connection, fleet: None
) -> None:
    at = "2026-11-01T00:00:00Z"
    store(connection, make_message(valor=5, at=at))
    counts = store(connection, make_message(valor=6, at=at), make_message(valor=5, at=at))
    assert (counts.readings_duplicate, counts.readings_rejected) == (1, 1)
    fresh = "2026-11-02T00:00:00Z"
    counts = store(
        connection,
        make_message(valor=6, at=fresh),
        make_message(valor=5, at=fresh),
        make_message(valor=6, at=fresh),
    )
    assert (counts.readings_stored, counts.readings_duplicate, counts.readings_rejected) == (
        1,
        1,
        1,
    )
    assert rows(connection, "SELECT reason, occurrences FROM dead_letter ORDER BY id") == [
        ("conflicting_reading", 1),
        ("conflicting_reading", 1),
    ]


def test_it_stores_the_new_rows_when_others_of_the_batch_stand_already(
    connection: Connection, fleet: None
) -> None:
    messages = [make_message(at=f"2026-11-01T00:00:{second:02}Z") for second in range(30)]
    store(connection, *messages[10:20])
    counts = store(connection, *messages)
    assert (counts.readings_stored, counts.readings_duplicate) == (20, 10)
    assert rows(connection, "SELECT count(*) FROM reading") == [(30,)]


def test_it_counts_the_same_bad_message_in_one_row(connection: Connection, fleet: None) -> None:
    bad = RawMessage("tds_new/devices/not-a-mac/telemetry", b"\x00\xff")
    store(connection, bad, bad)
    store(connection, bad)
    assert rows(connection, "SELECT reason, payload, occurrences, state FROM dead_letter") == [
        ("bad_topic", b"\x00\xff", 3, "pending")
    ]


@pytest.mark.parametrize(("state", "after"), [("replayed", "pending"), ("discarded", "discarded")])
def test_it_reopens_a_replayed_dead_letter_and_leaves_a_discarded_one(
    connection: Connection, fleet: None, state: str, after: str
) -> None:
    bad = RawMessage("x", b"y")
    store(connection, bad)
    connection.execute("UPDATE dead_letter SET state = %s", [state])
    store(connection, bad)
    assert rows(connection, "SELECT state, occurrences FROM dead_letter") == [(after, 2)]


@pytest.mark.parametrize(
    "extra",
    [
        pytest.param('"note":"a\\u0000b"', id="a NUL"),
        pytest.param('"note":1e999', id="a number past jsonb"),
        pytest.param('"n\\u0000ote":1', id="a NUL in a key"),
        pytest.param('"note":' + "[" * 90 + "]" * 90, id="nested"),
        pytest.param('"note":"\U0001f600 \u00b3"', id="emoji"),
    ],
)
def test_it_stores_the_reading_when_its_further_keys_are_strange(
    connection: Connection, fleet: None, extra: str
) -> None:
    payload = make_payload().replace(b'"unidade"', extra.encode() + b',"unidade"')
    counts = store(connection, RawMessage(TOPIC, payload))
    assert counts.readings_stored == 1
    assert rows(connection, "SELECT raw IS NOT NULL FROM reading") == [(True,)]


@pytest.mark.parametrize(
    "item",
    [
        '{"dispositivo_codigo":"D\\u0000","valor":1,"unidade":"kWh"}',
        '{"dispositivo_codigo":"\U0001f600","valor":1,"unidade":"kWh"}',
        '{"dispositivo_codigo":"D01","valor":1,"unidade":"k\\u0000"}',
        '{"dispositivo_codigo":"D01","valor":"\\u0000","unidade":"kWh"}',
    ],
)
def test_it_keeps_a_dead_letter_when_a_rejected_reading_holds_nul_or_emoji(
    connection: Connection, fleet: None, item: str
) -> None:
    payload = make_payload(items=[]).replace(b"[]", f"[{item}]".encode())
    assert store(connection, RawMessage(TOPIC, payload)).dead_letters == 1


def test_it_sees_a_change_of_the_fleet_without_a_restart(
    connection: Connection, fleet: None
) -> None:
    kept = open_store(connection, refresh_s=0)

    def reason(at: str) -> Any:
        validate_and_store(kept, claimed(), [make_message(at=at)])
        found = rows(connection, "SELECT reason FROM dead_letter ORDER BY id DESC LIMIT 1")
        return found[0][0] if found else None

    assert reason("2026-11-01T00:00:01Z") is None
    connection.execute("UPDATE device SET is_active = false WHERE code = 'D01'")
    assert reason("2026-11-01T00:00:02Z") == "inactive_device"
    connection.execute("UPDATE device SET is_active = true WHERE code = 'D01'")
    connection.execute("UPDATE account SET is_active = false")
    assert reason("2026-11-01T00:00:03Z") == "inactive_gateway"
    connection.execute("UPDATE account SET is_active = true")
    connection.execute("UPDATE gateway SET mac = '00:00:00:00:00:99' WHERE mac = %s", [MAC])
    assert reason("2026-11-01T00:00:04Z") == "unknown_gateway"


def test_it_refuses_a_reading_that_is_not_below_the_modulus_of_its_register(
    connection: Connection, fleet: None
) -> None:
    kept = open_store(connection, refresh_s=3600)

    def outcome(valor: str, at: str) -> int:
        messages = [make_message(valor=valor, at=at)]
        return validate_and_store(kept, claimed(), messages).readings_stored

    connection.execute("UPDATE device SET register_modulus = 1000.5 WHERE code = 'D01'")
    assert outcome("1000.4999", "2026-11-01T00:00:01Z") == 1
    assert outcome("1000.49996", "2026-11-01T00:00:02Z") == 0  # rounds to the modulus
    assert outcome("1000.5", "2026-11-01T00:00:03Z") == 0
    dead_letters = rows(
        connection, "SELECT DISTINCT reason, detail ~ 'modulus 1000.5000' FROM dead_letter"
    )
    assert dead_letters == [("bad_value", True)]
    # A greater register was built in a moment ago: the worker looks before it refuses.
    connection.execute(
        "UPDATE installation SET register_modulus = 100000 WHERE register_modulus > 0"
    )
    assert outcome("1000.5", "2026-11-01T00:00:03Z") == 1
    # A smaller one was built in: a late reading can still be of the one before.
    connection.execute(
        "INSERT INTO installation (device_id, since, measurement, unit, register_modulus)"
        " SELECT id, '2026-11-01T01:00Z', measurement, unit, 100 FROM device WHERE code = 'D01'"
    )
    kept = open_store(connection, refresh_s=3600)
    assert outcome("99999", "2026-11-01T00:00:04Z") == 1


def test_it_stores_the_devices_own_spelling_of_a_unit(connection: Connection, fleet: None) -> None:
    store(
        connection,
        make_message(code="D02", unit="m3", at="2026-11-01T00:00:01Z"),
        make_message(code="D03", unit="\u2103", at="2026-11-01T00:00:02Z"),
        make_message(unit="\u00a0kWh", valor=" +01.5", at="2026-11-01T00:00:03Z"),
    )
    assert rows(connection, "SELECT unit, value FROM reading ORDER BY time") == [
        ("m\u00b3", Decimal(1)),
        ("\u00b0C", Decimal(1)),
        ("kWh", Decimal("1.5")),
    ]


def test_it_keeps_the_gateway_of_a_wrong_topic_in_the_ledger(
    connection: Connection, fleet: None
) -> None:
    payload = make_payload()
    store(
        connection,
        RawMessage("tds_new/device/AA-BB-CC-DD-EE-FF/telemetry", payload),
        RawMessage("tds_new/device/de:ad:be:ef:00:01/telemetry", payload),
    )
    assert rows(
        connection,
        "SELECT d.reason, d.mac, g.mac, g.account_id = d.account_id FROM dead_letter d"
        " LEFT JOIN gateway g ON g.id = d.gateway_id ORDER BY d.mac",
    ) == [("bad_topic", "", None, None), ("bad_topic", MAC, MAC, True)]


def test_it_knows_a_device_at_once_when_it_was_registered_a_moment_ago(
    connection: Connection, fleet: None
) -> None:
    kept = open_store(connection, refresh_s=3600)
    validate_and_store(kept, claimed(), [make_message()])
    connection.execute(
        "INSERT INTO device (gateway_id, account_id, code, name, kind, measurement, unit,"
        " is_active)"
        " SELECT id, account_id, 'D77', '', 'meter', 'delta', 'kWh', true FROM gateway"
        " WHERE mac = %s",
        [MAC],
    )
    stored = validate_and_store(kept, claimed(), [make_message(code="D77")])
    assert stored.readings_stored == 1


def test_it_never_asks_the_database_for_a_gateway_that_it_knows(
    connection: Connection, fleet: None
) -> None:
    registry = Registry(refresh_s=3600)
    registry.prepare(connection, [MAC], now_s=1.0)
    entry = registry.gateways[MAC]
    # Without a connection, any question to the database would raise.
    registry.prepare(None, [MAC], now_s=2.0)  # type: ignore[arg-type]
    assert registry.gateways[MAC] is entry


def test_it_moves_last_seen_forward_only_and_notes_one_event(
    connection: Connection, fleet: None
) -> None:
    [(gateway_id,)] = rows(connection, f"SELECT id FROM gateway WHERE mac = '{MAC}'")
    presence = Presence(interval_s=0)
    late = datetime(2026, 11, 1, 12, tzinfo=UTC)
    presence.update(connection, {gateway_id: late}, now_s=1.0)
    presence.update(connection, {gateway_id: late - timedelta(hours=1)}, now_s=2.0)
    assert rows(
        connection, f"SELECT is_online, last_seen FROM gateway WHERE id = {gateway_id}"
    ) == [(True, late)]
    assert rows(connection, "SELECT kind FROM gateway_event") == [("online",)]


def test_it_sets_a_gateway_offline_after_its_own_interval(
    connection: Connection, fleet: None
) -> None:
    heard_at = datetime(2026, 11, 1, 12, tzinfo=UTC)
    connection.execute(
        "UPDATE gateway SET is_online = true, last_seen = %s, offline_after_s = 60 WHERE mac = %s",
        [heard_at, MAC],
    )
    common = {"offline_after_s": 300}
    assert mark_offline(connection, at=heard_at + timedelta(seconds=60), **common) == 0
    assert mark_offline(connection, at=heard_at + timedelta(seconds=61), **common) == 1
    assert mark_offline(connection, at=heard_at + timedelta(seconds=62), **common) == 0
    assert rows(connection, "SELECT kind, last_seen FROM gateway_event") == [("offline", heard_at)]


def test_it_sets_a_gateway_offline_whose_connection_broke_unless_it_was_heard_of_since(
    connection: Connection, fleet: None
) -> None:
    heard_at = datetime(2026, 11, 1, 12, tzinfo=UTC)
    connection.execute(
        "UPDATE gateway SET is_online = true, last_seen = %s WHERE mac = %s", [heard_at, MAC]
    )
    soon = heard_at + timedelta(seconds=60)
    for before, count in ((timedelta(seconds=3), 0), (timedelta(seconds=1), 1)):
        gone = {MAC: heard_at - before, "aa:aa:aa:aa:aa:aa": heard_at}
        assert mark_offline(connection, at=soon, offline_after_s=300, gone=gone) == count
    assert rows(connection, "SELECT kind FROM gateway_event") == [("offline",)]

    mark_online(connection, {MAC: soon, "aa:aa:aa:aa:aa:aa": soon})
    mark_online(connection, {MAC: heard_at})
    assert rows(connection, f"SELECT is_online, last_seen FROM gateway WHERE mac = '{MAC}'") == [
        (True, soon)
    ]
    assert rows(connection, "SELECT kind FROM gateway_event ORDER BY id") == [
        ("offline",),
        ("online",),
    ]


def test_it_keeps_the_sums_when_the_ledger_is_folded(connection: Connection, fleet: None) -> None:
    kept = claimed()
    store(connection, make_message(at="2026-11-01T00:00:00Z"), RawMessage("x", b""))
    store(connection, make_message(at="2026-11-01T00:00:01Z"), batch=kept)
    later = datetime.now(UTC) + timedelta(minutes=1)
    assert fold_ledger(connection, before=later, pending=[kept.id]) == 1
    assert fold_ledger(connection, before=later, pending=[]) == 1
    assert rows(connection, "SELECT count(*) FROM batch") == [(0,)]
    assert rows(
        connection, "SELECT sum(batches), sum(messages), sum(dead_letters) FROM batch_day"
    ) == [(2, 3, 1)]


def test_it_stores_each_reading_once_when_workers_race_for_the_same_keys(
    connection: Connection, fleet: None, database_url: str
) -> None:
    messages = [make_message(at=f"2026-11-01T00:{n // 60:02}:{n % 60:02}Z") for n in range(600)]
    totals: list[Any] = []
    faults: list[BaseException] = []

    def work(order: int) -> None:
        with open_connection(database_url, name="race", statement_timeout_s=30) as own:
            for start in range(0, 600, 100):
                part = messages[start : start + 100][::order]
                try:
                    totals.append(store(own, *part))
                except psycopg.Error as error:
                    faults.append(error)

    threads = [threading.Thread(target=work, args=(order,)) for order in (1, -1, 1, -1)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert faults == []
    assert sum(counts.readings_stored for counts in totals) == 600
    assert sum(counts.readings_duplicate for counts in totals) == 1800
    assert rows(connection, "SELECT count(*) FROM reading") == [(600,)]


def test_it_ends_a_transaction_that_takes_too_long_as_a_fault_that_passes(
    database_url: str, connection: Connection
) -> None:
    """Its statements are quick, each for itself."""

    def take_long(slow: Connection) -> None:
        with slow.transaction():
            for _ in range(5):
                slow.execute("SELECT pg_sleep(0.4)")

    limits = {"statement_timeout_s": 60, "transaction_timeout_s": 1}
    with open_connection(database_url, name="test", **limits) as slow:
        with pytest.raises(psycopg.errors.TransactionTimeout) as ended:
            take_long(slow)
        assert is_transient(ended.value)
        assert needs_new_session(ended.value)
