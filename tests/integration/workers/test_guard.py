"""The reject guard in a worker: what it holds, and when it lets go."""

import time
from contextlib import closing
from io import StringIO

import pytest
from django.core.management import call_command

from config.celery import app
from config.env import read_options
from config.options import IngestOptions
from telemetry.core.batch import GUARD_HEARD_KEY, GUARD_KEY, INGEST_QUEUE, half_ids
from telemetry.queue.alarm import clear_alarm, raise_alarm, read_alarm
from telemetry.queue.batches import BatchQueue
from telemetry.queue.requeue import requeue_batches
from telemetry.queue.tasks import count_waiting
from telemetry.store.db.connection import Connection
from telemetry.store.ingest.batch_store import BatchStore
from telemetry.store.operations.delivery_report import read_report
from tests.batches import claim, list_ready, run_batch
from tests.integration.workers.conftest import add_gateways, run_all
from tests.messages import make_message
from workers.pool_guard import EXCHANGE_EVERY_S
from workers.runner import BatchRunner, open_runner

pytestmark = pytest.mark.integration


def test_it_puts_aside_what_nearly_every_gateway_sends_in_vain_until_it_is_overruled(
    runner: BatchRunner, queue: BatchQueue, connection: Connection
) -> None:
    macs = add_gateways(connection, range(10, 41))
    batch_id = queue.put([make_message(mac=mac, code="D99") for mac in macs], source="bridge-1")
    run_batch(runner, batch_id)
    snapshot = queue.snapshot()
    assert ([batch.id for batch in snapshot.held], snapshot.pending) == ([batch_id], [])
    assert snapshot.pending_messages == 0, "what is put aside must not press on the bridges"
    assert read_report(connection, queue).in_flight == 31
    assert "31 of 31 gateways got nothing in" in read_alarm(queue.redis)
    call_command("resume_ingest", stdout=StringIO())
    assert requeue_batches(queue, now=time.time(), stale_after_s=30).requeued == 1
    assert requeue_batches(queue, now=time.time(), stale_after_s=30).requeued == 0, "it is ready"
    run_batch(runner, batch_id)
    report = read_report(connection, queue)
    assert (report.dead_lettered, report.in_flight, report.difference) == (31, 0, 0)


def test_it_stores_what_others_send_while_it_holds_what_nearly_all_send_in_vain(
    runner: BatchRunner, queue: BatchQueue, connection: Connection
) -> None:
    *macs, healthy = add_gateways(connection, range(10, 25))
    old = "1970-01-01T00:00:30Z"  # clocks after a power cut
    for mac in macs:
        run_batch(runner, queue.put([make_message(mac=mac, at=old)], source="bridge-1"))
    held_before = len(queue.snapshot().held)
    mixed = [make_message(mac=mac, at=old) for mac in macs]
    mixed.insert(3, make_message(mac=healthy))
    batch_id = queue.put(mixed, source="bridge-1")
    run_batch(runner, batch_id)
    for part_id in half_ids(batch_id):
        run_batch(runner, part_id)
    report = read_report(connection, queue)
    assert report.stored == 1, "the healthy gateway's"
    assert held_before == 5, "from the tenth gateway on"
    assert report.in_flight == 14 + held_before
    assert report.difference == 0
    assert len(queue.snapshot().held) == held_before + 1
    assert queue.snapshot().pending == []


def test_processes_that_claim_in_turn_hold_what_only_all_of_them_can_see(
    runner: BatchRunner, queue: BatchQueue, connection: Connection
) -> None:
    """14 gateways in turn, of which each of two processes hears 7: fewer than the guard needs."""
    macs = add_gateways(connection, range(10, 24))
    with closing(open_runner(read_options(IngestOptions), app)) as other:
        for index, mac in enumerate(macs):
            batch_id = queue.put([make_message(mac=mac, code="D99")], source="bridge-1")
            run_batch((runner, other)[index % 2], batch_id)
    assert queue.count_held() == 5, "from the tenth gateway on"
    assert read_report(connection, queue).difference == 0


def test_it_lets_go_when_other_processes_serve_most_gateways(
    runner: BatchRunner, queue: BatchQueue, connection: Connection
) -> None:
    """Even though it hears of no gateway that is served, and had tripped before it asked."""
    macs = add_gateways(connection, range(10, 60))
    with closing(open_runner(read_options(IngestOptions), app)) as other:
        run_batch(other, queue.put([make_message(mac=m) for m in macs[12:]], source="bridge-1"))
        bad = [make_message(mac=mac, code="D99") for mac in macs[:12]]
        run_batch(runner, queue.put(bad, source="bridge-1"))
        assert queue.count_held() == 1
        later = make_message(mac=macs[12], at="2026-11-01T00:01:00Z")
        time.sleep(EXCHANGE_EVERY_S)
        for each in (runner, other, runner):
            run_batch(each, queue.put([later], source="bridge-1"))
            time.sleep(EXCHANGE_EVERY_S)
    assert read_alarm(queue.redis) == ""


def test_processes_that_serve_most_gateways_tell_nothing(
    runner: BatchRunner, queue: BatchQueue, connection: Connection
) -> None:
    macs = add_gateways(connection, range(10, 24))
    run_batch(runner, queue.put([make_message(mac=mac) for mac in macs], source="bridge-1"))
    run_batch(runner, queue.put([make_message(mac=macs[0], code="D99")], source="bridge-1"))
    assert not queue.redis.exists(GUARD_HEARD_KEY)


def test_it_lets_go_and_loses_nothing_when_the_same_gateways_are_served_again(
    runner: BatchRunner, queue: BatchQueue, connection: Connection
) -> None:
    macs = add_gateways(connection, range(10, 24))
    held = queue.put([make_message(mac=m, at="1970-01-01T00:00:30Z") for m in macs], source="b")
    run_batch(runner, held)
    assert read_alarm(queue.redis)
    run_batch(runner, queue.put([make_message(mac=mac) for mac in macs], source="bridge-1"))
    assert read_alarm(queue.redis) == ""
    assert requeue_batches(queue, now=time.time(), stale_after_s=30).requeued == 1
    run_all(runner, queue)
    report = read_report(connection, queue)
    assert (report.stored, report.dead_lettered, report.difference) == (14, 14, 0)


def test_it_takes_what_arrives_before_what_the_guard_has_let_go(
    runner: BatchRunner, queue: BatchQueue, connection: Connection
) -> None:
    macs = add_gateways(connection, range(10, 24))
    held = queue.put([make_message(mac=m, at="1970-01-01T00:00:30Z") for m in macs], source="b")
    run_batch(runner, held)
    clear_alarm(queue.redis)
    assert requeue_batches(queue, now=time.time(), stale_after_s=30).requeued == 1
    live = queue.put([make_message(mac=macs[0])], source="bridge-1")
    assert count_waiting(queue.redis, INGEST_QUEUE) == 2
    claimed = [queue.claim()[0], queue.claim(finished=[live])[0]]
    assert [[batch.id for batch in batches] for batches in claimed] == [[live], [held]]


def test_it_lets_go_by_itself_when_nothing_else_arrives(
    runner: BatchRunner, queue: BatchQueue, connection: Connection
) -> None:
    """A fixed deploy, while bridges pause since Redis is full of what was put aside."""
    macs = add_gateways(connection, range(10, 24))
    connection.execute("UPDATE device SET is_active = false")
    for second in range(5):
        at = f"2026-11-01T00:00:{second:02}Z"
        run_batch(
            runner, queue.put([make_message(mac=mac, at=at) for mac in macs], source="bridge-1")
        )
    assert len(queue.snapshot().held) == 5
    runner.close()
    connection.execute("UPDATE device SET is_active = true")
    fixed = open_runner(read_options(IngestOptions), app)
    for _ in range(3):
        requeue_batches(queue, now=time.time(), stale_after_s=30)
        for batch_id in sorted(list_ready(queue)):
            run_batch(fixed, batch_id)
    assert read_alarm(queue.redis) == ""
    report = read_report(connection, queue)
    assert (report.stored, report.dead_lettered, report.in_flight) == (5 * 14, 0, 0)
    fixed.close()


def test_it_tries_few_of_what_is_put_aside_while_the_guard_holds(queue: BatchQueue) -> None:
    ids = [queue.put([make_message()], source="bridge-1") for _ in range(20)]
    for batch_id in ids:
        claim(queue, batch_id)
        queue.hold(batch_id)
    raise_alarm(queue.redis, reason="14 of 15 gateways got nothing in")
    assert 2 <= requeue_batches(queue, now=time.time(), stale_after_s=30).requeued <= 3
    assert {ids[0], ids[-1]} <= list_ready(queue)
    assert 0 < queue.redis.ttl(GUARD_KEY) <= 90, "an alarm outlives nobody who raised it for long"


def test_it_goes_on_seeing_the_gateways_whose_messages_it_puts_aside(
    runner: BatchRunner, queue: BatchQueue, connection: Connection
) -> None:
    macs = add_gateways(connection, range(10, 24))
    run_batch(
        runner, queue.put([make_message(mac=mac, code="D99") for mac in macs], source="bridge-1")
    )
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
    monkeypatch.setattr(BatchStore, "validate", lambda *_, **__: 1 / 0)
    run_batch(runner, queue.put([make_message(mac=mac) for mac in macs], source="bridge-1"))
    for _ in range(8):
        for batch in queue.snapshot().pending:
            run_batch(runner, batch.id)
    before = queue.count_held()
    assert before == 31 - 9, "fewer gateways than the guard judges by became dead letters"
    another = queue.put([make_message(mac=mac, valor=2) for mac in macs], source="bridge-1")
    run_batch(runner, another)
    assert queue.count_held() == before + 1
    assert read_report(connection, queue).difference == 0
