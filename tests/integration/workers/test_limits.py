"""Gateways and accounts above their limits: excess waits, what is above is rejected and counted."""

from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from typing import Any

import psycopg
import pytest
from redis import RedisError

from config.celery import app
from config.env import read_options
from config.options import IngestOptions
from telemetry.core.batch import RETRY_KEY, RawMessage
from telemetry.queue.batches import BatchQueue
from telemetry.queue.limits import Buckets, Demand, list_limited
from telemetry.store.db.connection import Connection
from telemetry.store.ingest.batch_store import BatchStore
from telemetry.store.operations.delivery_report import read_report
from tests.integration.workers.conftest import add_gateways, run_all
from tests.messages import make_payload
from workers.runner import BatchRunner, open_runner

pytestmark = pytest.mark.integration

RATES = "SELECT occurrences, mac, account_id FROM dead_letter WHERE reason = 'rate_limited'"


@pytest.fixture
def open_limited(
    environ: dict[str, str],
    fleet: None,
    queue: BatchQueue,
    monkeypatch: pytest.MonkeyPatch,
) -> Iterator[Callable[..., BatchRunner]]:
    """A worker whose gateways and accounts may send so much, with 10 seconds of burst."""
    opened: list[BatchRunner] = []

    def open_with(*, gateway: float = 1, account: float = 0, times: float = 2) -> BatchRunner:
        monkeypatch.setenv("LIMIT_GATEWAY_RATE", str(gateway))
        monkeypatch.setenv("LIMIT_ACCOUNT_RATE", str(account))
        monkeypatch.setenv("LIMIT_BURST_S", "10")
        monkeypatch.setenv("LIMIT_EXCESS_TIMES", str(times))
        opened.append(open_runner(read_options(IngestOptions), app))
        return opened[-1]

    yield open_with
    for runner in opened:
        runner.close()


def write_messages(mac: str, count: int, *, first: int = 0) -> list[RawMessage]:
    topic = f"tds_new/devices/{mac}/telemetry"
    return [
        RawMessage(
            topic,
            make_payload(mac=mac, at=f"2026-11-01T{n // 3600:02}:{n // 60 % 60:02}:{n % 60:02}Z"),
        )
        for n in range(first, first + count)
    ]


def count_by_gateway(connection: Connection) -> dict[Any, Any]:
    return dict(
        connection.execute(
            "SELECT mac, count(*) FROM reading r JOIN gateway g ON g.id = gateway_id GROUP BY mac"
        ).fetchall()
    )


def test_it_rejects_and_counts_what_is_above_limit_and_excess(
    open_limited: Any, queue: BatchQueue, connection: Connection
) -> None:
    loud, quiet = add_gateways(connection, range(2))
    runner = open_limited()
    queue.put([*write_messages(loud, 100), *write_messages(quiet, 5)], source="bridge-1")
    run_all(runner, queue)
    assert count_by_gateway(connection) == {loud: 30, quiet: 5}  # 10, and 2 times as much excess
    [(occurrences, mac, account_id)] = connection.execute(RATES).fetchall()
    assert (occurrences, mac, account_id) == (70, loud, 1)
    report = read_report(connection, queue, count_rows=True)
    assert (report.received, report.stored, report.dead_lettered) == (105, 35, 70)
    assert report.is_balanced
    assert list_limited(queue.redis, since_s=0) == [loud]


def test_it_lets_excess_wait_for_all_others(
    open_limited: Any, queue: BatchQueue, connection: Connection
) -> None:
    loud, quiet = add_gateways(connection, range(2))
    runner = open_limited(times=100)
    queue.put(write_messages(loud, 40), source="bridge-1")
    assert runner._claim_and_store(wait_s=0)  # 10 within the limit, 30 wait
    assert count_by_gateway(connection) == {loud: 10}
    assert queue.redis.llen(RETRY_KEY) == 1
    assert queue.snapshot().pending_messages == 30
    queue.put(write_messages(quiet, 5), source="bridge-1")
    assert runner._claim_and_store(wait_s=0)
    assert count_by_gateway(connection) == {loud: 10, quiet: 5}
    assert runner._claim_and_store(wait_s=0)
    assert count_by_gateway(connection) == {loud: 40, quiet: 5}
    assert connection.execute(RATES).fetchall() == []
    assert read_report(connection, queue, count_rows=True).is_balanced


def test_it_comes_to_the_same_end_when_a_worker_ends_between_the_part_and_the_rest(
    open_limited: Any, queue: BatchQueue, connection: Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    [loud] = add_gateways(connection, range(1))
    first, second = open_limited(times=1), open_limited(times=1)
    queue.put(write_messages(loud, 20), source="bridge-1")

    def fail(*_: Any, **__: Any) -> None:
        raise RedisError("the connection is gone")

    with monkeypatch.context() as patch:
        patch.setattr(BatchQueue, "split", fail)
        assert first._claim_and_store(wait_s=0)
    assert count_by_gateway(connection) == {loud: 10}
    queue.end_owners(lambda _: True)
    run_all(second, queue)
    assert count_by_gateway(connection) == {loud: 20}
    assert connection.execute(RATES).fetchall() == []  # the excess is not asked for again
    assert read_report(connection, queue, count_rows=True).is_balanced


def test_it_does_not_limit_what_was_put_aside(
    open_limited: Any, queue: BatchQueue, connection: Connection
) -> None:
    [loud] = add_gateways(connection, range(1))
    queue.put(write_messages(loud, 100), source="bridge-1")
    [[batch], _] = queue.claim()
    queue.hold(batch.id)
    queue.offer([batch.id], is_last=True)
    run_all(open_limited(times=0), queue)
    assert count_by_gateway(connection) == {loud: 100}


def test_it_asks_once_for_all_batches_in_hand(
    open_limited: Any, queue: BatchQueue, connection: Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    loud, quiet = add_gateways(connection, range(2))
    runner, asked = open_limited(times=1), []
    take = Buckets.take

    def count(self: Buckets, demands: Any, **named: Any) -> Any:
        asked.append([demand.name for demand in demands])
        return take(self, demands, **named)

    monkeypatch.setattr(Buckets, "take", count)
    for first in range(0, 30, 10):
        queue.put(write_messages(loud, 10, first=first), source="bridge-1")
    queue.put(write_messages(quiet, 1), source="bridge-1")
    assert runner._claim_and_store(wait_s=0)
    while queue.snapshot().unfinished:
        runner._claim_and_store(wait_s=0)
    assert asked == [[loud]]
    assert count_by_gateway(connection) == {loud: 20, quiet: 1}


def test_it_delays_a_batch_whole_when_all_of_it_is_excess(
    open_limited: Any, queue: BatchQueue, connection: Connection
) -> None:
    [loud] = add_gateways(connection, range(1))
    runner = open_limited(times=100)
    for first in range(0, 40, 10):
        queue.put(write_messages(loud, 10, first=first), source="bridge-1")
    run_all(runner, queue)
    assert count_by_gateway(connection) == {loud: 40}
    assert connection.execute(
        "SELECT count(*) FROM batch WHERE second_part IS NOT NULL"
    ).fetchone() == (0,)
    assert read_report(connection, queue, count_rows=True).is_balanced


def test_it_limits_the_gateways_of_an_account_together(
    open_limited: Any, queue: BatchQueue, connection: Connection
) -> None:
    macs = add_gateways(connection, range(4))
    runner = open_limited(gateway=0, account=1, times=1)
    queue.put([one for mac in macs for one in write_messages(mac, 10)], source="bridge-1")
    run_all(runner, queue)
    assert sum(count_by_gateway(connection).values()) == 20
    assert sum(row[0] for row in connection.execute(RATES).fetchall()) == 20


def test_it_counts_a_long_message_once_for_each_kib(
    open_limited: Any, queue: BatchQueue, connection: Connection
) -> None:
    [loud] = add_gateways(connection, range(1))
    runner = open_limited(times=0)
    padded = [RawMessage(one.topic, one.payload + b" " * 4_096) for one in write_messages(loud, 10)]
    queue.put(padded, source="bridge-1")
    run_all(runner, queue)
    assert count_by_gateway(connection) == {loud: 2}


def test_it_shares_a_limit_between_processes(
    open_limited: Any, queue: BatchQueue, connection: Connection
) -> None:
    [loud] = add_gateways(connection, range(1))
    first, second = open_limited(times=0), open_limited(times=0)
    queue.put(write_messages(loud, 8), source="bridge-1")
    run_all(first, queue)
    queue.put(write_messages(loud, 8, first=8), source="bridge-1")
    run_all(second, queue)
    assert count_by_gateway(connection)[loud] <= 11  # the second batch came a moment later


@pytest.mark.parametrize("source", ["import", "replay"])
def test_it_does_not_limit_what_operators_send(
    open_limited: Any, queue: BatchQueue, connection: Connection, source: str
) -> None:
    [loud] = add_gateways(connection, range(1))
    queue.put(write_messages(loud, 100), source=source)
    run_all(open_limited(times=0), queue)
    assert count_by_gateway(connection) == {loud: 100}


def test_it_asks_once_for_a_batch_however_often_it_is_tried(
    open_limited: Any,
    queue: BatchQueue,
    connection: Connection,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    [loud] = add_gateways(connection, range(1))
    runner = open_limited(times=3)
    store, failures = BatchStore.store, iter(range(5))

    def failing(self: BatchStore, batches: Any) -> Any:
        if next(failures, None) is not None:
            raise psycopg.OperationalError("the server is away")
        return store(self, batches)

    monkeypatch.setattr(BatchStore, "store", failing)
    monkeypatch.setattr("workers.runner.wait_unless_stopping", lambda _: True)
    queue.put(write_messages(loud, 40), source="bridge-1")
    while queue.snapshot().unfinished:
        runner._claim_and_store(wait_s=0)
    assert count_by_gateway(connection) == {loud: 40}


def test_it_fills_a_bucket_with_time_and_no_further(queue: BatchQueue) -> None:
    buckets, now_s = Buckets(queue.redis), datetime(2026, 11, 1, tzinfo=UTC).timestamp()

    def take(wanted: int, after_s: float) -> int:
        demand = Demand("x", 2, 10, wanted)
        [taken] = buckets.take([demand], excess_times=0, now_s=now_s + after_s)
        return taken.within

    assert take(4, 0) == 4
    assert take(9, 0) == 6
    assert take(1, 0) == 0
    assert take(9, 1.5) == 3
    assert take(1, -60) == 0  # a batch that was received earlier
    assert take(99, 3_000) == 10


def test_it_takes_from_the_bucket_of_excess_what_is_missing(queue: BatchQueue) -> None:
    def take(wanted: int, *, after_s: float = 0) -> tuple[int, int]:
        demand = Demand("y", 1, 10, wanted)
        [taken] = Buckets(queue.redis).take([demand], excess_times=2, now_s=1e9 + after_s)
        return taken.within, taken.excess

    assert take(4) == (4, 0)
    assert take(16) == (6, 10)
    assert take(99) == (0, 10)
    assert take(9, after_s=2) == (2, 4)


def test_it_takes_tokens_for_whole_messages_only(queue: BatchQueue) -> None:
    buckets = Buckets(queue.redis)
    large = Demand("z", 1, 25, 30, largest=10)
    [taken] = buckets.take([large], excess_times=0, now_s=1e9)
    assert taken.within == 20  # and the other 5 are left
    [taken] = buckets.take([large], excess_times=0, now_s=1e9 + 5)
    assert taken.within == 10
