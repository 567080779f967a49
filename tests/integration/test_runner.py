"""One worker process and its batches: waiting, isolating, leaving pending."""

from collections.abc import Iterator
from io import StringIO
from typing import Any

import psycopg
import pytest

from config.celery import app
from config.env import read_options
from config.options import IngestOptions
from telemetry.core.batch import RawMessage
from telemetry.queue.alarm import read_alarm
from telemetry.queue.batches import BatchQueue, ClaimedBatch
from telemetry.store.connection import Connection
from telemetry.store.report import read_report
from tests.messages import make_message
from workers import runner as runner_module
from workers.runner import BatchRunner

pytestmark = pytest.mark.integration


@pytest.fixture
def runner(environ: dict[str, str], fleet: None, queue: BatchQueue) -> Iterator[BatchRunner]:
    runner = BatchRunner(read_options(IngestOptions), app)
    yield runner
    runner.close()


def run_all(runner: BatchRunner, queue: BatchQueue) -> int:
    """Run every pending batch until none is left; how many runs it took."""
    runs = 0
    while pending := queue.snapshot().pending:
        for batch in pending:
            runner.run(batch.id)
            runs += 1
        assert runs < 200, "batches do not end"
    return runs


def break_on(monkeypatch: pytest.MonkeyPatch, poison: RawMessage, error: Exception) -> None:
    """Make storing fail for every batch that holds `poison`."""
    store = runner_module.store_messages

    def failing(
        connection: Connection, batch: ClaimedBatch, messages: list[RawMessage], **rest: Any
    ) -> Any:
        if poison in messages:
            raise error
        return store(connection, batch, messages, **rest)

    monkeypatch.setattr(runner_module, "store_messages", failing)


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
    store, failures = runner_module.store_messages, [1, 2, 3]

    def failing(*args: Any, **rest: Any) -> Any:
        if failures:
            failures.pop()
            raise psycopg.errors.AdminShutdown("terminating connection")
        return store(*args, **rest)

    monkeypatch.setattr(runner_module, "store_messages", failing)
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
    def failing(*_: Any, **__: Any) -> Any:
        raise psycopg.OperationalError("no route")

    monkeypatch.setattr(runner_module, "store_messages", failing)
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
    store, lost = runner_module.store_messages, [True]

    def losing(*args: Any, **rest: Any) -> Any:
        stored = store(*args, **rest)
        if lost:
            lost.pop()
            raise psycopg.OperationalError("server closed the connection unexpectedly")
        return stored

    monkeypatch.setattr(runner_module, "store_messages", losing)
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


def test_it_holds_batches_when_nearly_every_gateway_is_refused_until_it_is_overruled(
    queue: BatchQueue,
    connection: Connection,
    environ: dict[str, str],
    fleet: None,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    from django.core.management import call_command

    connection.execute(
        "INSERT INTO gateway (account_id, code, mac, name, location, max_devices, is_active,"
        " is_online, firmware_version) SELECT 1, 'G' || n, '02:00:00:00:00:' || n, '', '', 8, true,"
        " false, '' FROM generate_series(10, 40) n"
    )
    messages = [make_message(mac=f"02:00:00:00:00:{n}", code="D01") for n in range(10, 41)]
    waits: list[float] = []

    def wait(delay_s: float) -> bool:
        waits.append(delay_s)
        return len(waits) < 3  # then the worker is stopped

    monkeypatch.setattr(runner_module, "wait_unless_stopping", wait)
    runner = BatchRunner(read_options(IngestOptions), app)
    batch_id = queue.put(messages, source="bridge-1")
    runner.run(batch_id)
    assert len(waits) == 3
    assert read_report(connection, queue).in_flight == 31
    assert "31 of 31 gateways got nothing in" in read_alarm(queue.redis)
    call_command("resume_ingest", stdout=StringIO())
    runner.run(batch_id)
    report = read_report(connection, queue)
    assert (report.dead_lettered, report.in_flight, report.difference) == (31, 0, 0)
    runner.close()


def test_it_holds_what_fails_for_an_unknown_reason_from_nearly_every_gateway(
    runner: BatchRunner,
    queue: BatchQueue,
    connection: Connection,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A deploy whose code raises for everything: the queue does not become dead letters."""
    connection.execute(
        "INSERT INTO gateway (account_id, code, mac, name, location, max_devices, is_active,"
        " is_online, firmware_version) SELECT 1, 'G' || n, '02:00:00:00:00:' || n, '', '', 8, true,"
        " false, '' FROM generate_series(10, 40) n"
    )
    devices = "INSERT INTO device (gateway_id, account_id, code, name, kind, measurement, "
    devices += "unit, is_active) SELECT id, account_id, 'D01', '', 'meter', 'delta', 'kWh',"
    connection.execute(devices + " true FROM gateway WHERE mac LIKE '02:%'")
    messages = [make_message(mac=f"02:00:00:00:00:{n}") for n in range(10, 41)]
    queue.put(messages, source="bridge-1")
    with monkeypatch.context() as deploy:
        deploy.setattr(runner_module, "store_messages", lambda *_, **__: 1 / 0)
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
