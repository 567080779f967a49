"""One worker process and its batches: waiting, isolating, leaving pending."""

import time
from collections.abc import Callable, Iterator
from io import StringIO
from typing import Any

import psycopg
import pytest
from django.core.management import call_command
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import TimeoutError as RedisTimeoutError

from config.celery import app
from config.env import read_options
from config.options import IngestOptions
from telemetry.core.batch import GUARD_KEY, INGEST_QUEUE, RawMessage, half_ids
from telemetry.queue.alarm import clear_alarm, raise_alarm, read_alarm
from telemetry.queue.batches import BatchQueue, ClaimedBatch
from telemetry.queue.requeue import requeue_batches
from telemetry.queue.tasks import LAST_SUFFIX, count_waiting, list_waiting_ids
from telemetry.store.db.connection import Connection
from telemetry.store.ingest.batch_store import BatchStore
from telemetry.store.operations.delivery_report import read_report
from tests.messages import make_message
from workers import runner as runner_module
from workers.runner import BatchRunner, open_runner

pytestmark = pytest.mark.integration


@pytest.fixture
def runner(environ: dict[str, str], fleet: None, queue: BatchQueue) -> Iterator[BatchRunner]:
    runner = open_runner(read_options(IngestOptions), app)
    yield runner
    runner.close()


def run_all(runner: BatchRunner, queue: BatchQueue) -> int:
    """Run every pending batch until none is left; how many runs it took."""
    runs = 0
    while unfinished := queue.snapshot().unfinished:
        for batch in unfinished:
            runner.run(batch.id)
            runs += 1
        assert runs < 200, "batches do not end"
    return runs


def patch_store(
    monkeypatch: pytest.MonkeyPatch, fail: Callable[[list[RawMessage]], Exception | None]
) -> None:
    """Make storing a batch raise what `fail` says of its messages."""
    store = BatchStore.store

    def failing(
        self: BatchStore, batch: ClaimedBatch, messages: list[RawMessage], validated_messages: Any
    ) -> Any:
        error = fail(messages)
        if error is not None:
            raise error
        return store(self, batch, messages, validated_messages)

    monkeypatch.setattr(BatchStore, "store", failing)


def break_on(monkeypatch: pytest.MonkeyPatch, poison: RawMessage, error: Exception) -> None:
    """Make storing fail for every batch that holds `poison`."""
    patch_store(monkeypatch, lambda messages: error if poison in messages else None)


def add_gateways(connection: Connection, numbers: range) -> list[str]:
    """Registered gateways, each with the meter D01; their MACs."""
    macs = [f"02:00:00:00:00:{number:02x}" for number in numbers]
    connection.execute(
        "INSERT INTO gateway (account_id, code, mac, name, location, max_devices, is_active,"
        " is_online, firmware_version) SELECT 1, 'G' || mac, mac, '', '', 8, true, false, ''"
        " FROM unnest(%s::text[]) AS mac",
        [macs],
    )
    connection.execute(
        "INSERT INTO device (gateway_id, account_id, code, name, kind, measurement, unit,"
        " is_active) SELECT id, account_id, 'D01', '', 'meter', 'delta', 'kWh', true FROM gateway"
        " WHERE mac = ANY(%s)",
        [macs],
    )
    return macs


def test_it_stores_and_forgets_a_batch(
    runner: BatchRunner, queue: BatchQueue, connection: Connection
) -> None:
    batch_id = queue.put([make_message(), RawMessage("x", b"")], source="bridge-1")
    runner.run(batch_id)
    runner.run(batch_id)  # a task that came twice
    report = read_report(connection, queue, count_rows=True)
    assert (report.received, report.stored, report.dead_lettered, report.in_flight) == (2, 1, 1, 0)
    assert report.is_balanced
    assert connection.execute(
        "SELECT is_online FROM gateway WHERE last_seen IS NOT NULL"
    ).fetchall() == [(True,)]


def test_it_isolates_the_one_message_that_fails_for_an_unknown_reason(
    runner: BatchRunner,
    queue: BatchQueue,
    connection: Connection,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    messages = [make_message(at=f"2026-11-01T00:00:{n:02}Z") for n in range(20)]
    poison = messages[13]
    break_on(monkeypatch, poison, RuntimeError("a bug"))
    queue.put(messages, source="bridge-1")
    run_all(runner, queue)
    report = read_report(connection, queue, count_rows=True)
    assert (report.stored, report.dead_lettered, report.difference) == (19, 1, 0)
    [(reason, payload, detail)] = connection.execute(
        "SELECT reason, payload, detail FROM dead_letter"
    ).fetchall()
    assert (reason, payload) == ("processing_error", poison.payload)
    assert "RuntimeError: a bug" in str(detail)


def test_it_splits_a_batch_that_ends_its_worker_again_and_again(
    runner: BatchRunner, queue: BatchQueue, connection: Connection
) -> None:
    batch_id = queue.put([make_message(), make_message(at="2026-11-01T00:00:01Z")], source="b")
    for _ in range(3):  # starts whose worker was killed
        queue.claim(batch_id)
    runner.run(batch_id)
    assert [pending.id for pending in queue.snapshot().pending] == [
        f"{batch_id}.0",
        f"{batch_id}.1",
    ]
    for _ in range(3):
        queue.claim(f"{batch_id}.0")
    run_all(runner, queue)
    report = read_report(connection, queue, count_rows=True)
    assert (report.stored, report.dead_lettered, report.difference) == (1, 1, 0)


def test_it_waits_and_goes_on_when_the_database_comes_back(
    runner: BatchRunner,
    queue: BatchQueue,
    connection: Connection,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    failures = [psycopg.errors.AdminShutdown("terminating connection") for _ in range(3)]
    patch_store(monkeypatch, lambda _: failures.pop() if failures else None)
    waits: list[float] = []
    monkeypatch.setattr(
        runner_module, "wait_unless_stopping", lambda delay_s: waits.append(delay_s) or True
    )
    runner.run(queue.put([make_message()], source="bridge-1"))
    assert len(waits) == 3
    assert all(delay_s > 0 for delay_s in waits)
    assert read_report(connection, queue).stored == 1
    assert connection.execute("SELECT count(*) FROM dead_letter").fetchall() == [(0,)]


def test_it_leaves_the_batch_pending_when_the_worker_stops_meanwhile(
    runner: BatchRunner, queue: BatchQueue, monkeypatch: pytest.MonkeyPatch
) -> None:
    patch_store(monkeypatch, lambda _: psycopg.OperationalError("no route"))
    monkeypatch.setattr(runner_module, "wait_unless_stopping", lambda _: False)
    runner.run(queue.put([make_message()], source="bridge-1"))
    [pending] = queue.snapshot().pending
    assert pending.attempts == 0, "a stop must not count as a failed start"


def test_it_takes_its_own_end_as_stored_when_the_commit_was_not_confirmed(
    runner: BatchRunner,
    queue: BatchQueue,
    connection: Connection,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    store, lost = BatchStore.store, [True]

    def losing(*args: Any) -> Any:
        stored = store(*args)
        if lost:
            lost.pop()
            raise psycopg.OperationalError("server closed the connection unexpectedly")
        return stored

    monkeypatch.setattr(BatchStore, "store", losing)
    monkeypatch.setattr(runner_module, "wait_unless_stopping", lambda _: True)
    runner.run(queue.put([make_message()], source="bridge-1"))
    report = read_report(connection, queue, count_rows=True)
    assert (report.stored, report.duplicate, report.rows) == (1, 0, 1)
    assert report.is_balanced


def test_it_leaves_a_batch_that_it_cannot_read_for_a_newer_worker(
    runner: BatchRunner, queue: BatchQueue
) -> None:
    batch_id = queue.put([make_message()], source="bridge-1")
    queue.redis.hset(f"ingest:batch:{batch_id}", "body", b"from the future")
    for _ in range(9):
        runner.run(batch_id)
    [pending] = queue.snapshot().pending
    assert (pending.id, pending.attempts) == (batch_id, 0)


def test_it_puts_aside_what_nearly_every_gateway_sends_in_vain_until_it_is_overruled(
    runner: BatchRunner, queue: BatchQueue, connection: Connection
) -> None:
    macs = add_gateways(connection, range(10, 41))
    batch_id = queue.put([make_message(mac=mac, code="D99") for mac in macs], source="bridge-1")
    runner.run(batch_id)
    snapshot = queue.snapshot()
    assert ([batch.id for batch in snapshot.held], snapshot.pending) == ([batch_id], [])
    assert snapshot.pending_messages == 0, "what is put aside must not press on the bridges"
    assert read_report(connection, queue).in_flight == 31
    assert "31 of 31 gateways got nothing in" in read_alarm(queue.redis)
    call_command("resume_ingest", stdout=StringIO())
    queue.redis.delete(INGEST_QUEUE)
    assert requeue_batches(queue, now=time.time(), stale_after_s=30).requeued == 1
    assert requeue_batches(queue, now=time.time(), stale_after_s=30).requeued == 0, "has a task"
    runner.run(batch_id)
    report = read_report(connection, queue)
    assert (report.dead_lettered, report.in_flight, report.difference) == (31, 0, 0)


def test_it_stores_what_others_send_while_it_holds_what_nearly_all_send_in_vain(
    runner: BatchRunner, queue: BatchQueue, connection: Connection
) -> None:
    *macs, healthy = add_gateways(connection, range(10, 25))
    old = "1970-01-01T00:00:30Z"  # clocks after a power cut
    for mac in macs:
        runner.run(queue.put([make_message(mac=mac, at=old)], source="bridge-1"))
    held_before = len(queue.snapshot().held)
    mixed = [make_message(mac=mac, at=old) for mac in macs]
    mixed.insert(3, make_message(mac=healthy))
    batch_id = queue.put(mixed, source="bridge-1")
    runner.run(batch_id)
    for part_id in half_ids(batch_id):
        runner.run(part_id)
    report = read_report(connection, queue)
    assert report.stored == 1, "the healthy gateway's"
    assert held_before == 5, "from the tenth gateway on"
    assert report.in_flight == 14 + held_before
    assert report.difference == 0
    assert len(queue.snapshot().held) == held_before + 1
    assert queue.snapshot().pending == []


def test_it_lets_go_and_loses_nothing_when_the_same_gateways_are_served_again(
    runner: BatchRunner, queue: BatchQueue, connection: Connection
) -> None:
    macs = add_gateways(connection, range(10, 24))
    held = queue.put([make_message(mac=m, at="1970-01-01T00:00:30Z") for m in macs], source="b")
    runner.run(held)
    assert read_alarm(queue.redis)
    runner.run(queue.put([make_message(mac=mac) for mac in macs], source="bridge-1"))
    assert read_alarm(queue.redis) == ""
    queue.redis.delete(INGEST_QUEUE)
    assert requeue_batches(queue, now=time.time(), stale_after_s=30).requeued == 1
    run_all(runner, queue)
    report = read_report(connection, queue)
    assert (report.stored, report.dead_lettered, report.difference) == (14, 14, 0)


def test_it_takes_what_arrives_before_what_the_guard_has_let_go(
    runner: BatchRunner, queue: BatchQueue, connection: Connection
) -> None:
    macs = add_gateways(connection, range(10, 24))
    held = queue.put([make_message(mac=m, at="1970-01-01T00:00:30Z") for m in macs], source="b")
    runner.run(held)
    clear_alarm(queue.redis)
    queue.redis.delete(INGEST_QUEUE)
    assert requeue_batches(queue, now=time.time(), stale_after_s=30).requeued == 1
    live = queue.put([make_message(mac=macs[0])], source="bridge-1")
    assert count_waiting(queue.redis, INGEST_QUEUE) == 2
    assert list_waiting_ids(queue.redis) == {held, live}
    with queue._app.connection_for_read() as broker:  # type: ignore[union-attr]
        channel = broker.default_channel
        taken = [channel.basic_get(INGEST_QUEUE, no_ack=True) for _ in range(2)]
    assert [message.headers["id"] for message in taken] == [live, held]


def test_it_lets_go_by_itself_when_nothing_else_arrives(
    runner: BatchRunner, queue: BatchQueue, connection: Connection
) -> None:
    """A fixed deploy, while bridges pause since Redis is full of what was put aside."""
    macs = add_gateways(connection, range(10, 24))
    connection.execute("UPDATE device SET is_active = false")
    for second in range(5):
        at = f"2026-11-01T00:00:{second:02}Z"
        runner.run(queue.put([make_message(mac=mac, at=at) for mac in macs], source="bridge-1"))
    assert len(queue.snapshot().held) == 5
    runner.close()
    connection.execute("UPDATE device SET is_active = true")
    fixed = open_runner(read_options(IngestOptions), app)
    for _ in range(3):
        queue.redis.delete(INGEST_QUEUE, INGEST_QUEUE + LAST_SUFFIX)
        requeue_batches(queue, now=time.time(), stale_after_s=30)
        for batch_id in sorted(list_waiting_ids(queue.redis)):
            fixed.run(batch_id)
    assert read_alarm(queue.redis) == ""
    report = read_report(connection, queue)
    assert (report.stored, report.dead_lettered, report.in_flight) == (5 * 14, 0, 0)
    fixed.close()


def test_it_tries_few_of_what_is_put_aside_while_the_guard_holds(queue: BatchQueue) -> None:
    ids = [queue.put([make_message()], source="bridge-1") for _ in range(20)]
    for batch_id in ids:
        queue.claim(batch_id)
        queue.hold(batch_id)
    queue.redis.delete(INGEST_QUEUE)
    raise_alarm(queue.redis, reason="14 of 15 gateways got nothing in")
    assert 2 <= requeue_batches(queue, now=time.time(), stale_after_s=30).requeued <= 3
    assert {ids[0], ids[-1]} <= list_waiting_ids(queue.redis)
    assert 0 < queue.redis.ttl(GUARD_KEY) <= 90, "an alarm outlives nobody who raised it for long"


def test_it_goes_on_seeing_the_gateways_whose_messages_it_puts_aside(
    runner: BatchRunner, queue: BatchQueue, connection: Connection
) -> None:
    macs = add_gateways(connection, range(10, 24))
    runner.run(queue.put([make_message(mac=mac, code="D99") for mac in macs], source="bridge-1"))
    assert queue.count_held() == 1
    assert connection.execute(
        "SELECT count(*) FROM gateway WHERE is_online AND mac = ANY(%s)", [macs]
    ).fetchall() == [(14,)]


def test_it_puts_whole_batches_aside_once_it_holds_what_fails_for_unknown_reasons(
    runner: BatchRunner,
    queue: BatchQueue,
    connection: Connection,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Taken apart, each of their messages would become a batch, in Redis and in the ledger."""
    macs = add_gateways(connection, range(10, 41))
    monkeypatch.setattr(BatchStore, "validate", lambda *_: 1 / 0)
    runner.run(queue.put([make_message(mac=mac) for mac in macs], source="bridge-1"))
    for _ in range(8):
        for batch in queue.snapshot().pending:
            runner.run(batch.id)
    before = queue.count_held()
    assert before == 31 - 9, "fewer gateways than the guard judges by became dead letters"
    another = queue.put([make_message(mac=mac, valor=2) for mac in macs], source="bridge-1")
    runner.run(another)
    assert queue.count_held() == before + 1
    assert read_report(connection, queue).difference == 0


def test_it_blames_no_message_when_only_redis_did_not_answer(
    runner: BatchRunner,
    queue: BatchQueue,
    connection: Connection,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    batch_id = queue.put([make_message()], source="bridge-1")
    claim = BatchQueue.claim
    with monkeypatch.context() as slow:

        def lose_the_reply(self: BatchQueue, claimed_id: str) -> None:
            claim(self, claimed_id)
            raise RedisTimeoutError("Timeout reading from socket")

        slow.setattr(BatchQueue, "claim", lose_the_reply)
        for _ in range(5):
            runner.run(batch_id)
    runner.run(batch_id)
    report = read_report(connection, queue)
    assert (report.stored, report.dead_lettered) == (1, 0)


def test_it_gives_the_healthy_part_of_a_batch_all_starts(
    runner: BatchRunner, queue: BatchQueue, connection: Connection
) -> None:
    *macs, healthy = add_gateways(connection, range(10, 25))
    old = "1970-01-01T00:00:30Z"
    runner.run(queue.put([make_message(mac=mac, at=old) for mac in macs], source="bridge-1"))
    mixed = [make_message(mac=mac, at=old) for mac in macs]
    mixed += [make_message(mac=healthy, at=f"2026-11-01T00:00:{n:02}Z") for n in range(2)]
    batch_id = queue.put(mixed, source="bridge-1")
    runner.run(batch_id)
    queue.claim(f"{batch_id}.0")  # one start whose worker was killed
    runner.run(f"{batch_id}.0")
    assert read_report(connection, queue).stored == 2, "stored whole, not taken apart"


def test_it_holds_what_fails_for_an_unknown_reason_from_nearly_every_gateway(
    runner: BatchRunner,
    queue: BatchQueue,
    connection: Connection,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A deploy whose code raises for everything: the queue does not become dead letters."""
    macs = add_gateways(connection, range(10, 41))
    queue.put([make_message(mac=mac) for mac in macs], source="bridge-1")
    with monkeypatch.context() as deploy:
        patch_store(deploy, lambda _: ZeroDivisionError("a bug"))
        for _ in range(8):  # split down to single messages, and more
            for batch in queue.snapshot().pending:
                runner.run(batch.id)
    report = read_report(connection, queue)
    assert report.dead_lettered < 10, "fewer gateways than the guard judges by"
    assert report.in_flight == 31 - report.dead_lettered
    assert "gateways got nothing in" in read_alarm(queue.redis)
    run_all(runner, queue)
    after = read_report(connection, queue)
    assert (after.stored, after.in_flight) == (31 - report.dead_lettered, 0)
    assert after.difference == 0


TWO = [make_message(), make_message(at="2026-11-01T00:00:01Z")]


def test_it_splits_no_stored_batch_whose_worker_was_killed_before_it_was_finished(
    runner: BatchRunner,
    queue: BatchQueue,
    connection: Connection,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    batch_id = queue.put(TWO, source="bridge-1")
    for _ in range(3):
        with monkeypatch.context() as killed:
            killed.setattr(BatchQueue, "finish", lambda *_: 1 / 0)
            killed.setattr(BatchQueue, "split", lambda *_, **__: 1 / 0)
            with pytest.raises(ZeroDivisionError):
                runner.run(batch_id)
    run_all(runner, queue)
    report = read_report(connection, queue, count_rows=True)
    assert (report.received, report.stored, report.duplicate) == (2, 2, 0)
    assert report.is_balanced


def test_it_stores_no_batch_in_hand_that_others_split_meanwhile(
    runner: BatchRunner,
    queue: BatchQueue,
    connection: Connection,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The worker is stopped right before its transaction; others split the batch and store it."""
    batch_id = queue.put(TWO, source="bridge-1")
    store = BatchStore.store

    def stopped(self: BatchStore, batch: ClaimedBatch, *rest: Any) -> Any:
        monkeypatch.setattr(BatchStore, "store", store)
        other = open_runner(read_options(IngestOptions), app)
        for _ in range(3):
            queue.claim(batch_id)
        run_all(other, queue)
        other.close()
        return store(self, batch, *rest)

    monkeypatch.setattr(BatchStore, "store", stopped)
    runner.run(batch_id)
    run_all(runner, queue)
    report = read_report(connection, queue, count_rows=True)
    assert (report.received, report.stored, report.duplicate) == (2, 2, 0)
    assert report.is_balanced


def test_it_counts_a_half_once_when_its_finish_failed(
    runner: BatchRunner,
    queue: BatchQueue,
    connection: Connection,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    four = [make_message(at=f"2026-11-01T00:00:{n:02}Z") for n in range(4)]
    batch_id = queue.put(four, source="bridge-1")
    for _ in range(3):
        queue.claim(batch_id)
    runner.run(batch_id)
    with monkeypatch.context() as lost:
        lost.setattr(BatchQueue, "finish", lambda *_: 1 / 0)
        lost.setattr(BatchQueue, "split", lambda *_, **__: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            runner.run(f"{batch_id}.0")
    run_all(runner, queue)
    report = read_report(connection, queue, count_rows=True)
    assert (report.received, report.stored, report.duplicate) == (4, 4, 0)
    assert report.is_balanced


def test_it_waits_when_redis_fails_inside_the_reject_guard(
    runner: BatchRunner,
    queue: BatchQueue,
    connection: Connection,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    macs = add_gateways(connection, range(10, 24))
    batch_id = queue.put([make_message(mac=mac, code="D99") for mac in macs], source="bridge-1")
    answers: list[Exception | None] = [
        RedisConnectionError("gone"),
        RedisTimeoutError("slow"),
        None,
    ]

    def is_overruled(_: object) -> bool:
        error = answers.pop(0)
        if error is not None:
            raise error
        return False

    monkeypatch.setattr("workers.pool_guard.is_overruled", is_overruled)
    monkeypatch.setattr(runner_module, "wait_unless_stopping", lambda _: True)
    runner.run(batch_id)
    assert answers == []
    assert [batch.id for batch in queue.snapshot().held] == [batch_id], "whole, not split"


@pytest.mark.parametrize("source", ["replay", "import"])
def test_it_brings_no_gateway_online_by_what_operators_send(
    runner: BatchRunner, queue: BatchQueue, connection: Connection, source: str
) -> None:
    runner.run(queue.put([make_message()], source=source))
    assert read_report(connection, queue).stored == 1
    assert connection.execute(
        "SELECT count(*) FROM gateway WHERE is_online OR last_seen IS NOT NULL"
    ).fetchall() == [(0,)]


def test_it_never_splits_a_batch_whose_workers_only_waited(
    runner: BatchRunner,
    queue: BatchQueue,
    connection: Connection,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The broker of tasks hands out a task again after minutes, however long an outage is."""
    batch_id = queue.put([make_message(), make_message(valor=2)], source="bridge-1")
    for _ in range(9):
        queue.claim(batch_id)
        queue.touch(batch_id)
    runner.run(batch_id)
    assert [pending.id for pending in queue.snapshot().pending] == []
    assert read_report(connection, queue).difference == 0


def test_it_leaves_no_trace_when_a_batch_is_touched_that_another_worker_finished(
    queue: BatchQueue,
) -> None:
    batch_id = queue.put([make_message()], source="bridge-1")
    queue.finish(batch_id)
    queue.touch(batch_id)
    assert queue.claim(batch_id) is None
