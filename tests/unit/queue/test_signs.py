"""What processes say of themselves in Redis: pools, bridges, levels, the guard's alarm, tasks."""

import json
import time
from contextlib import nullcontext
from typing import Any

import pytest

from telemetry.core.batch import BRIDGE_KEY
from telemetry.queue.alarm import clear_alarm, is_overruled, overrule, raise_alarm, read_alarm
from telemetry.queue.batches import BatchQueue
from telemetry.queue.bridges import read_bridges
from telemetry.queue.levels import read_levels
from telemetry.queue.pings import MISSED_S, PING_TIMEOUT_S, ask_pools, note_end, note_seen
from telemetry.queue.pools import note_progress, note_wait, read_pools
from telemetry.queue.requeue import choose_stale, requeue_batches
from telemetry.queue.tasks import count_claimed, count_waiting
from tests.batches import claim, list_ready
from tests.integration.test_queue import MESSAGES
from tests.simulation.lean_client import LeanRedis


@pytest.fixture
def now(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    at = [1_000.0]
    monkeypatch.setattr(time, "time", lambda: at[0])
    return at


def test_it_keeps_the_guards_alarm_until_it_is_cleared(redis: Any, now: list[float]) -> None:
    assert read_alarm(redis) == ""
    raise_alarm(redis, reason="nearly all refused")
    assert read_alarm(redis) == "nearly all refused"
    clear_alarm(redis)
    assert read_alarm(redis) == ""


def test_it_is_overruled_for_as_long_as_was_said(redis: Any, now: list[float]) -> None:
    raise_alarm(redis, reason="nearly all refused")
    assert not is_overruled(redis)
    overrule(redis, for_s=60)
    assert is_overruled(redis)
    assert read_alarm(redis) == ""
    assert redis.data.expires[b"ingest:guard:overruled"] == 60.0


def test_it_tells_a_pool_that_waits_from_one_that_stores(redis: Any, now: list[float]) -> None:
    note_progress(redis, "b")
    now[0] += 1
    note_wait(redis, "b", reason="no database")
    note_wait(redis, "b", reason="no database")
    note_progress(redis, "a")
    first, second = read_pools(redis)
    assert (first.name, first.progress_at, first.waits_at, first.reason) == ("a", 1_001.0, 0.0, "")
    assert (first.retries, first.is_waiting) == (0, False)
    assert (second.name, second.progress_at, second.waits_at) == ("b", 1_000.0, 1_001.0)
    assert (second.reason, second.retries, second.is_waiting) == ("no database", 2, True)
    note_wait(redis, "c", reason="no database")
    assert read_pools(redis)[2].progress_at == 0
    note_progress(redis, "b")
    assert not read_pools(redis)[1].is_waiting
    assert redis.data.expires[b"ingest:pool:b"] == 86_400.0


def test_it_reads_the_bridges_whose_leases_run(redis: Any) -> None:
    state = {"token": "t", "host": "h", "pid": 1, "at": 2.0, "state": "ready", "sent_messages": 7}
    for name in ("bridge-2", "bridge-1"):
        redis.set(BRIDGE_KEY + name, json.dumps(state))
    bridges = read_bridges(redis)
    assert [bridge.client_id for bridge in bridges] == ["bridge-1", "bridge-2"]
    assert (bridges[0].host, bridges[0].sent_messages, bridges[0].waiting_messages) == ("h", 7, 0)


def test_it_says_how_full_and_how_late_the_queue_is(queue: BatchQueue, now: list[float]) -> None:
    levels = read_levels(queue.redis)
    assert (levels.pending_messages, levels.oldest_s, levels.memory_percent) == (0, 0.0, 1.0)
    queue.put(MESSAGES, source="b")
    now[0] = time.time_ns() / 1e9 + 7
    levels = read_levels(queue.redis)
    assert levels.pending_messages == 5
    assert levels.oldest_s == pytest.approx(7, abs=0.5)
    now[0] -= 1_000  # a clock that jumped back
    assert read_levels(queue.redis).oldest_s == 0


def test_it_calls_a_redis_without_a_limit_empty(queue: BatchQueue) -> None:
    queue.redis.data.describe_memory = lambda: {"used_memory": 5}  # type: ignore[attr-defined]
    assert read_levels(queue.redis).memory_percent == 0


def test_it_counts_batches_and_tasks_that_wait_and_with_workers(queue: BatchQueue) -> None:
    redis: Any = queue.redis
    ids = [queue.put(MESSAGES, source="b") for _ in range(3)]
    assert (count_waiting(redis, "ingest"), count_claimed(redis, "ingest")) == (3, 0)
    [batch] = queue.claim(most_messages=1)[0]
    queue.hold(batch.id)
    queue.offer([batch.id], is_last=True)
    assert queue.claim(most_messages=1)[0][0].id == ids[1]
    assert (count_waiting(redis, "ingest"), count_claimed(redis, "ingest")) == (2, 1)
    redis.lpush("maintenance", "task")
    for tag, name in enumerate(("ingest", "maintenance", "maintenance")):
        redis.hset("unacked", str(tag), b'[{"headers": {"id": "x"}}, "", "%b"]' % name.encode())
    assert (count_waiting(redis, "maintenance"), count_claimed(redis, "maintenance")) == (1, 2)


class AnsweringCelery:
    """Pools that answer a ping."""

    def __init__(self, *replies: dict[str, Any]) -> None:
        self.control = self
        self.replies = list(replies)
        self.asked: list[dict[str, Any]] = []

    def connection_for_write(self) -> nullcontext[str]:
        return nullcontext("a connection of its own")

    def ping(self, *, connection: str, **asked: Any) -> list[dict[str, Any]]:
        assert connection == "a connection of its own"
        self.asked.append(asked)
        return self.replies


def test_it_misses_a_pool_by_its_name_when_it_is_silent(redis: LeanRedis, now: list[float]) -> None:
    note_seen(redis, "frozen")  # type: ignore[arg-type]
    now[0] += 3
    note_seen(redis, "living")  # type: ignore[arg-type]
    app: Any = AnsweringCelery({"living": {"ok": "pong"}}, {"new": {"error": "no"}})
    pools = ask_pools(app, redis, wanted=2)  # type: ignore[arg-type]
    assert [(pool.name, pool.ok, pool.seen_age_s) for pool in pools] == [
        ("frozen", False, 3.0),
        ("living", True, 0.0),
        ("new", False, None),
    ]
    whom = {"destination": ["frozen", "living"], "limit": 2}
    assert app.asked == [{"timeout": PING_TIMEOUT_S, **whom}]


def test_it_forgets_a_sign_of_life_of_before_a_clock_jumped_back(
    redis: LeanRedis, now: list[float]
) -> None:
    now[0] += 50_000
    note_seen(redis, "gone")  # type: ignore[arg-type]
    now[0] -= 50_000
    [gone] = ask_pools(AnsweringCelery(), redis, wanted=1)  # type: ignore[arg-type]
    assert (gone.name, gone.ok, gone.seen_age_s) == ("gone", False, 0.0)
    note_seen(redis, "living")  # type: ignore[arg-type]
    [living] = ask_pools(AnsweringCelery(), redis, wanted=1)  # type: ignore[arg-type]
    assert living.name == "living"


def test_it_keeps_the_sign_of_a_pool_whose_clock_is_a_little_ahead(
    redis: LeanRedis, now: list[float]
) -> None:
    now[0] += 5
    note_seen(redis, "ahead")  # type: ignore[arg-type]
    now[0] -= 5
    note_seen(redis, "living")  # type: ignore[arg-type]
    pools = ask_pools(AnsweringCelery(), redis, wanted=2)  # type: ignore[arg-type]
    assert [(pool.name, pool.seen_age_s) for pool in pools] == [("ahead", 0.0), ("living", 0.0)]


def test_it_asks_all_when_fewer_pools_are_known_than_wanted(
    redis: LeanRedis, now: list[float]
) -> None:
    note_seen(redis, "gone")  # type: ignore[arg-type]
    note_end(redis, "gone")  # type: ignore[arg-type]
    assert ask_pools(AnsweringCelery(), redis, wanted=0) == []  # type: ignore[arg-type]
    note_seen(redis, "old")  # type: ignore[arg-type]
    now[0] += MISSED_S + 1
    app: Any = AnsweringCelery()
    assert ask_pools(app, redis, wanted=1) == []  # type: ignore[arg-type]
    assert app.asked == [{"timeout": PING_TIMEOUT_S}]


def test_it_offers_again_what_is_stale_and_what_was_held_behind_it(queue: BatchQueue) -> None:
    held, stale = (queue.put(MESSAGES, source="b", is_ready=False) for _ in range(2))
    claim(queue, held)
    queue.hold(held)
    at = queue.snapshot().pending[0].received_at
    raise_alarm(queue.redis, reason="nearly all refused")
    young = requeue_batches(queue, now=at + 29, stale_after_s=30)
    assert (young.pending, young.held, young.requeued) == (1, 1, 1), "held ones are tried"
    assert requeue_batches(queue, now=at + 31, stale_after_s=30).requeued == 1
    assert requeue_batches(queue, now=at + 31, stale_after_s=30).requeued == 0
    claimed = [queue.claim()[0][0].id, queue.claim(finished=[stale])[0][0].id]
    assert claimed == [stale, held], "what was held comes last"


def test_it_offers_all_that_was_held_once_the_guard_has_let_go(queue: BatchQueue) -> None:
    held = [queue.put(MESSAGES, source="b") for _ in range(9)]
    queue.claim()
    for batch_id in held:
        queue.hold(batch_id)
    now = time.time()
    raise_alarm(queue.redis, reason="nearly all refused")
    tried = requeue_batches(queue, now=now, stale_after_s=30).requeued
    assert 2 <= tried <= 3
    clear_alarm(queue.redis)
    assert requeue_batches(queue, now=now, stale_after_s=30).requeued == 9 - tried
    assert list_ready(queue) == set(held)


def test_it_takes_a_batch_for_stale_after_the_time_and_not_at_it(queue: BatchQueue) -> None:
    queue.put(MESSAGES, source="b")
    pending = queue.snapshot().pending
    at = pending[0].received_at
    assert choose_stale(pending, now=at + 30, stale_after_s=30) == []
    assert choose_stale(pending, now=at + 31, stale_after_s=30) == pending
