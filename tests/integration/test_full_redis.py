"""At `maxmemory` small writes pass, on kombu's way too; new batches do not."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from celery import Celery
from redis import Redis, WatchError
from redis.exceptions import ExecAbortError, OutOfMemoryError, ResponseError

from config.env import read_options
from config.full_redis import MAY_FILL, is_refused
from config.options import MarkOptions, RedisOptions
from config.queue import connect_redis
from ingest_bridge.lease import Lease
from telemetry.core.batch import INGEST_QUEUE, RawMessage
from telemetry.queue.alarm import overrule, raise_alarm, read_alarm
from telemetry.queue.batches import BatchQueue, new_id
from telemetry.queue.levels import choose_marks, read_levels
from telemetry.queue.pings import note_seen
from telemetry.queue.pools import note_progress, note_wait, read_pools
from tests.status import read_test_status

pytestmark = pytest.mark.integration

MESSAGES = [RawMessage("t", b"%d" % number) for number in range(5)]
LUA = Path(__file__).parents[2] / "telemetry" / "queue" / "lua"
MAY_NOT_FILL = ("put", "snapshot")  # the one brings data in, the other only reads


class Limit:
    """Redis's `maxmemory`."""

    def __init__(self, redis: Redis) -> None:
        self._redis = redis

    def fill(self) -> None:
        """Below what is used by now."""
        used = self._redis.info("memory")["used_memory"]
        self._redis.config_set("maxmemory", int(used / 1.07))

    def lift(self) -> None:
        """None."""
        self._redis.config_set("maxmemory", 0)


@pytest.fixture
def limit(queue: BatchQueue) -> Iterator[Limit]:
    before = queue.redis.config_get("maxmemory")["maxmemory"]
    yield Limit(queue.redis)
    queue.redis.config_set("maxmemory", before)


@pytest.fixture
def plain(environ: dict[str, str]) -> Iterator[Redis]:
    redis = connect_redis(read_options(RedisOptions, environ), client=Redis)
    yield redis
    redis.close()


def app_of(queue: BatchQueue) -> Celery:
    assert queue._app is not None
    return queue._app


def test_it_refuses_a_plain_client_and_lets_small_writes_pass(
    queue: BatchQueue, plain: Redis, limit: Limit
) -> None:
    limit.fill()
    with pytest.raises(OutOfMemoryError):
        plain.set("key", "1")
    redis = queue.redis
    assert redis.set("key", "1", nx=True, ex=60) is True
    assert redis.set("key", "2", nx=True) is None
    assert redis.hset("hash", mapping={"a": b"\xff\x00", "b": "2"}) == 2  # type: ignore[dict-item]
    assert redis.hget("hash", "a") == b"\xff\x00"
    with pytest.raises(ResponseError, match="WRONGTYPE"):
        redis.lpush("key", "1")


def test_it_runs_a_refused_transaction_as_a_whole(queue: BatchQueue, limit: Limit) -> None:
    queue.redis.set("text", "1")
    limit.fill()
    with queue.redis.pipeline() as steps:
        steps.zadd("set", {"a": 1}).lpush("text", "1").get("text").hset("hash", "a", "1")
        answers = steps.execute(raise_on_error=False)
    assert [answers[0], *answers[2:]] == [1, b"1", 1]
    assert isinstance(answers[1], ResponseError)
    with queue.redis.pipeline() as steps:
        steps.zadd("set", {"b": 1}).lpush("text", "1")
        with pytest.raises(ResponseError, match="WRONGTYPE"):
            steps.execute()
    assert queue.redis.zcard("set") == 2  # as in MULTI: what comes before and after an error counts


def test_it_keeps_watching_when_redis_is_full(queue: BatchQueue, limit: Limit) -> None:
    limit.fill()
    with queue.redis.pipeline() as steps:
        steps.watch("watched")
        steps.multi()
        steps.rpush("list", "1")
        queue.redis.set("watched", "changed")
        with pytest.raises(WatchError):
            steps.execute()
    assert queue.redis.transaction(
        lambda steps: steps.multi() or steps.rpush("list", "1"), "x"
    ) == [1]  # type: ignore[func-returns-value]


def test_it_knows_a_transaction_that_is_denied_at_its_end(plain: Redis, limit: Limit) -> None:
    limit.lift()
    connection = plain.connection_pool.get_connection()
    for words in (["MULTI"], ["SET", "key", "1"]):
        connection.send_command(*words)
        connection.read_response()
    limit.fill()  # between the last command and EXEC
    connection.send_command("EXEC")
    with pytest.raises(ExecAbortError) as caught:
        connection.read_response()
    plain.connection_pool.release(connection)
    assert is_refused(caught.value)
    assert not is_refused(ExecAbortError("Transaction discarded because of previous errors."))


def test_it_works_a_batch_off_when_redis_is_full(queue: BatchQueue, limit: Limit) -> None:
    first, second = (queue.put(MESSAGES, source="bridge-1") for _ in range(2))
    limit.fill()
    [batch], _ = queue.claim(wait_s=0.05, most_messages=1)
    assert batch.id == first
    queue.renew()
    queue.touch(first)
    queue.release(first)
    assert len(queue.claim(wait_s=0.05)[0]) == 2
    queue.split(batch, MESSAGES, second_part=[1])
    assert queue.note_dropped(3) == 3
    queue.finish(second)
    snapshot = queue.snapshot()
    assert (len(snapshot.pending), snapshot.pending_messages) == (2, 5)
    assert queue.offer([half.id for half in snapshot.pending]) == 0
    for half in snapshot.pending:
        queue.finish(half.id)
    assert queue.snapshot().pending_messages == 0
    queue.leave()


def test_it_takes_no_new_batch_when_redis_is_full(queue: BatchQueue, limit: Limit) -> None:
    queue.put(MESSAGES, source="bridge-1")
    limit.fill()
    with pytest.raises(OutOfMemoryError):
        queue.put(MESSAGES, source="bridge-1")
    snapshot = queue.snapshot()
    assert (snapshot.received_messages, len(snapshot.pending)) == (5, 1)


def test_it_knows_a_batch_that_was_written_before_redis_was_full(
    queue: BatchQueue, limit: Limit
) -> None:
    batch_id, body = new_id(), b"body"
    same: dict[str, Any] = {"count": 1, "source": "b", "producer": "b", "received_us": 1}
    assert queue.write(batch_id, body, **same).is_new
    limit.fill()
    assert not queue.write(batch_id, body, **same).is_new
    queue.ring()
    assert queue.redis.llen(INGEST_QUEUE) == 1


def test_it_takes_and_gives_back_tasks_when_redis_is_full(queue: BatchQueue, limit: Limit) -> None:
    limit.fill()
    queue.ring()
    with app_of(queue).connection() as connection:
        consumer = connection.SimpleQueue(app_of(queue).amqp.queues[INGEST_QUEUE])
        message = consumer.get(timeout=5)
        assert queue.redis.zcard("unacked_index") == 1
        message.requeue()
        assert queue.redis.zcard("unacked_index") == 0
        assert queue.redis.llen(INGEST_QUEUE) == 1
        consumer.get(timeout=5).ack()
        consumer.channel.qos.restore_visible(interval=1)  # its lock is a small write, too
    assert queue.redis.llen(INGEST_QUEUE) == 0


def test_it_lets_workers_and_those_who_ask_them_join_when_redis_is_full(
    queue: BatchQueue, limit: Limit
) -> None:
    limit.fill()
    with app_of(queue).connection() as connection:
        channel = connection.default_channel
        expiring = {"arguments": {"x-expires": 10_000}}
        channel.exchange_declare("celery.pidbox", type="fanout")
        channel.queue_declare("worker.pidbox", **expiring)
        channel.queue_bind("worker.pidbox", "celery.pidbox", "")
        assert channel.get_table("celery.pidbox") == [("", "", "worker.pidbox")]
    assert app_of(queue).control.ping(timeout=0.1) == []


def test_it_lets_processes_say_how_they_are_when_redis_is_full(
    queue: BatchQueue, limit: Limit
) -> None:
    limit.fill()
    redis = queue.redis
    note_wait(redis, "ingest@host", reason="down")
    note_progress(redis, "ingest@host")
    assert [(pool.name, pool.retries) for pool in read_pools(redis)] == [("ingest@host", 1)]
    raise_alarm(redis, reason="why")
    assert read_alarm(redis) == "why"
    overrule(redis, for_s=60)
    note_seen(redis, "ingest@host")
    lease = Lease(redis, client_id="bridge-1")
    lease.acquire(longest_wait_s=0)
    lease.renew({"state": "ready"}, now_s=0)
    lease.release(is_retired=True)
    assert redis.scard("ingest:sessions") == 0


def test_it_says_how_full_redis_is(queue: BatchQueue, limit: Limit) -> None:
    def ask() -> list[str]:
        status = read_test_status(queue, pools=1)
        return [problem for problem in status.problems if "Redis" in problem]

    assert ask() == []
    limit.fill()
    [problem] = ask()
    assert re.match(r"Redis is 10\d% full: nothing new is taken until", problem)
    assert choose_marks(MarkOptions()).find_pause_reason(read_levels(queue.redis), is_paused=False)


def test_it_lets_every_script_run_that_brings_nothing_in() -> None:
    may_fill = {
        path.stem for path in LUA.glob("*.lua") if path.read_text("utf-8").startswith(MAY_FILL)
    }
    assert may_fill == {path.stem for path in LUA.glob("*.lua")} - set(MAY_NOT_FILL)
