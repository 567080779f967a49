"""One worker process and its batches: waiting, isolating, leaving pending."""

from collections.abc import Callable
from typing import Any

import psycopg
import pytest
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import TimeoutError as RedisTimeoutError

from config.celery import app
from config.env import read_options
from config.options import IngestOptions
from telemetry.core.batch import COUNTERS_KEY, RawMessage
from telemetry.queue.alarm import read_alarm
from telemetry.queue.batches import BatchQueue
from telemetry.store.db.connection import Connection
from telemetry.store.ingest.batch_store import BatchStore
from telemetry.store.ingest.outcomes import ValidatedBatch
from telemetry.store.operations.delivery_report import read_report
from tests.batches import claim, run_batch
from tests.integration.workers.conftest import add_gateways, run_all
from tests.messages import make_message
from workers import runner as runner_module
from workers.runner import BatchRunner, open_runner

pytestmark = pytest.mark.integration


def patch_store(
    monkeypatch: pytest.MonkeyPatch, fail: Callable[[list[RawMessage]], Exception | None]
) -> None:
    """Make storing a batch raise what `fail` says of its messages."""
    store = BatchStore.store

    def failing(self: BatchStore, batches: list[ValidatedBatch]) -> Any:
        error = fail([message for batch in batches for message in batch.messages])
        if error is not None:
            raise error
        return store(self, batches)

    monkeypatch.setattr(BatchStore, "store", failing)


def break_on(monkeypatch: pytest.MonkeyPatch, poison: RawMessage, error: Exception) -> None:
    """Make storing fail for every batch that holds `poison`."""
    patch_store(monkeypatch, lambda messages: error if poison in messages else None)


def test_it_stores_and_forgets_a_batch(
    runner: BatchRunner, queue: BatchQueue, connection: Connection
) -> None:
    batch_id = queue.put([make_message(), RawMessage("x", b"")], source="bridge-1")
    run_batch(runner, batch_id)
    run_batch(runner, batch_id)  # once more
    report = read_report(connection, queue, count_rows=True)
    assert (report.received, report.stored, report.dead_lettered, report.in_flight) == (2, 1, 1, 0)
    assert report.is_balanced
    assert connection.execute(
        "SELECT is_online FROM gateway WHERE last_seen IS NOT NULL"
    ).fetchall() == [(True,)]


def test_the_report_does_not_balance_when_redis_has_lost_what_it_knew(
    runner: BatchRunner, queue: BatchQueue, connection: Connection
) -> None:
    run_batch(runner, queue.put([make_message()], source="bridge-1"))
    queue.redis.delete(COUNTERS_KEY)
    assert read_report(connection, queue).difference == 0, "it may have come after the snapshot"
    connection.execute("UPDATE batch SET stored_at = stored_at - interval '2 minutes'")
    report = read_report(connection, queue)
    assert (report.received, report.stored, report.difference) == (0, 1, -1)


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
        claim(queue, batch_id)
    run_batch(runner, batch_id)
    assert [pending.id for pending in queue.snapshot().pending] == [
        f"{batch_id}.0",
        f"{batch_id}.1",
    ]
    for _ in range(3):
        claim(queue, f"{batch_id}.0")
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
    run_batch(runner, queue.put([make_message()], source="bridge-1"))
    assert len(waits) == 3
    assert all(delay_s > 0 for delay_s in waits)
    assert read_report(connection, queue).stored == 1
    assert connection.execute("SELECT count(*) FROM dead_letter").fetchall() == [(0,)]


def test_it_leaves_the_batch_pending_when_the_worker_stops_meanwhile(
    runner: BatchRunner, queue: BatchQueue, monkeypatch: pytest.MonkeyPatch
) -> None:
    patch_store(monkeypatch, lambda _: psycopg.OperationalError("no route"))
    monkeypatch.setattr(runner_module, "wait_unless_stopping", lambda _: False)
    run_batch(runner, queue.put([make_message()], source="bridge-1"))
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
    run_batch(runner, queue.put([make_message()], source="bridge-1"))
    report = read_report(connection, queue, count_rows=True)
    assert (report.stored, report.duplicate, report.rows) == (1, 0, 1)
    assert report.is_balanced


def test_it_leaves_a_batch_that_it_cannot_read_for_a_newer_worker(
    runner: BatchRunner, queue: BatchQueue
) -> None:
    batch_id = queue.put([make_message()], source="bridge-1")
    queue.redis.hset(f"ingest:batch:{batch_id}", "body", b"from the future")
    for _ in range(9):
        run_batch(runner, batch_id)
    [pending] = queue.snapshot().pending
    assert (pending.id, pending.attempts) == (batch_id, 0)


def test_it_blames_no_message_when_only_redis_did_not_answer(
    runner: BatchRunner,
    queue: BatchQueue,
    connection: Connection,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    batch_id = queue.put([make_message()], source="bridge-1")
    claim_any = BatchQueue.claim
    with monkeypatch.context() as slow:

        def lose_the_reply(self: BatchQueue, **named: Any) -> None:
            [batch], _ = claim_any(self, **named)
            assert (batch.id, batch.attempts) == (batch_id, 1)
            raise RedisTimeoutError("Timeout reading from socket")

        slow.setattr(BatchQueue, "claim", lose_the_reply)
        for _ in range(5):
            runner._claim_and_store(wait_s=0)
    runner._claim_and_store(wait_s=0)
    runner._claim_and_store(wait_s=0)
    report = read_report(connection, queue)
    assert (report.stored, report.dead_lettered) == (1, 0)


def test_it_gives_the_healthy_part_of_a_batch_all_starts(
    runner: BatchRunner, queue: BatchQueue, connection: Connection
) -> None:
    *macs, healthy = add_gateways(connection, range(10, 25))
    old = "1970-01-01T00:00:30Z"
    run_batch(runner, queue.put([make_message(mac=mac, at=old) for mac in macs], source="bridge-1"))
    mixed = [make_message(mac=mac, at=old) for mac in macs]
    mixed += [make_message(mac=healthy, at=f"2026-11-01T00:00:{n:02}Z") for n in range(2)]
    batch_id = queue.put(mixed, source="bridge-1")
    run_batch(runner, batch_id)
    claim(queue, f"{batch_id}.0")  # one start whose worker was killed
    run_batch(runner, f"{batch_id}.0")
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
                run_batch(runner, batch.id)
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
                run_batch(runner, batch_id)
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

    def stopped(self: BatchStore, batches: list[ValidatedBatch]) -> Any:
        monkeypatch.setattr(BatchStore, "store", store)
        other = open_runner(read_options(IngestOptions), app)
        for _ in range(3):
            claim(queue, batch_id)
        run_all(other, queue)
        other.close()
        return store(self, batches)

    monkeypatch.setattr(BatchStore, "store", stopped)
    run_batch(runner, batch_id)
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
        claim(queue, batch_id)
    run_batch(runner, batch_id)
    with monkeypatch.context() as lost:
        lost.setattr(BatchQueue, "finish", lambda *_: 1 / 0)
        lost.setattr(BatchQueue, "split", lambda *_, **__: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            run_batch(runner, f"{batch_id}.0")
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
    run_batch(runner, batch_id)
    assert answers == []
    assert [batch.id for batch in queue.snapshot().held] == [batch_id], "whole, not split"


@pytest.mark.parametrize("source", ["replay", "import"])
def test_it_brings_no_gateway_online_by_what_operators_send(
    runner: BatchRunner, queue: BatchQueue, connection: Connection, source: str
) -> None:
    run_batch(runner, queue.put([make_message()], source=source))
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
        claim(queue, batch_id)
        queue.touch(batch_id)
    run_batch(runner, batch_id)
    assert [pending.id for pending in queue.snapshot().pending] == []
    assert read_report(connection, queue).difference == 0


def test_it_leaves_no_trace_when_a_batch_is_touched_that_another_worker_finished(
    queue: BatchQueue,
) -> None:
    batch_id = queue.put([make_message()], source="bridge-1")
    queue.finish(batch_id)
    queue.touch(batch_id)
    assert claim(queue, batch_id) is None
