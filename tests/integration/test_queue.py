"""Batches in a real Redis: one step, counted once, split and finished."""

import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from telemetry.core.batch import (
    COUNTERS_KEY,
    HELD_KEY,
    INGEST_QUEUE,
    LAST_KEY,
    WAKE_KEY,
    RawMessage,
    half_ids,
)
from telemetry.queue.batches import (
    BatchQueue,
    BrokerEvents,
    NotReplicatedError,
    Written,
    new_id,
    pack_messages,
)
from telemetry.queue.statuses import Statuses, forget_statuses, note_statuses, read_statuses
from telemetry.queue.tasks import count_claimed
from tests.batches import claim

pytestmark = pytest.mark.integration

MESSAGES = [RawMessage("t", b"%d" % number) for number in range(5)]


def write(queue: BatchQueue, batch_id: str) -> Written:
    return queue.write(
        batch_id,
        pack_messages(MESSAGES),
        count=len(MESSAGES),
        source="bridge-1",
        producer="bridge-1",
        received_us=1_000_000,
    )


def test_it_counts_a_batch_once_when_its_write_is_repeated(queue: BatchQueue) -> None:
    batch_id = new_id()
    assert write(queue, batch_id).is_new
    assert not write(queue, batch_id).is_new
    snapshot = queue.snapshot()
    assert (snapshot.received_messages, snapshot.pending_messages) == (5, 5)


def test_it_counts_a_batch_once_when_it_was_stored_before_the_reply_came(
    queue: BatchQueue,
) -> None:
    batch_id = new_id()
    write(queue, batch_id)
    queue.finish(batch_id)
    assert not write(queue, batch_id).is_new
    snapshot = queue.snapshot()
    assert (snapshot.received_messages, snapshot.pending_messages) == (5, 0)


def test_a_batch_that_no_replica_has_is_not_written_until_one_has(
    queue: BatchQueue, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("telemetry.queue.batches.WAIT_MS", 50)
    batch_id = new_id()
    waiting = BatchQueue(queue.redis, wait_replicas=1)
    with pytest.raises(NotReplicatedError, match="REDIS_WAIT_REPLICAS"):
        write(waiting, batch_id)
    assert not write(queue, batch_id).is_new
    assert queue.snapshot().received_messages == 5


def test_a_repeated_write_is_a_write_that_replicas_are_waited_for(queue: BatchQueue) -> None:
    """On a new connection WAITAOF waits for what was written there, and for nothing else."""
    batch_id, key = new_id(), f"{LAST_KEY}bridge-1"
    write(queue, batch_id)
    queue.redis.expire(key, 5)
    write(queue, batch_id)
    assert queue.redis.ttl(key) > 5


def test_it_finishes_a_batch_once(queue: BatchQueue) -> None:
    batch_id = queue.put(MESSAGES, source="bridge-1")
    queue.finish(batch_id)
    queue.finish(batch_id)
    assert queue.snapshot().pending_messages == 0
    assert claim(queue, batch_id) is None


def test_it_hands_out_what_was_put_and_counts_starts(queue: BatchQueue) -> None:
    batch_id = queue.put(MESSAGES, source="bridge-1")
    first, second = claim(queue, batch_id), claim(queue, batch_id)
    assert first is not None
    assert second is not None
    assert first.read_messages() == MESSAGES
    assert (first.attempts, second.attempts) == (1, 2)
    queue.release(batch_id)
    third = claim(queue, batch_id)
    assert third is not None
    assert third.attempts == 2


def test_it_keeps_every_message_and_count_when_a_batch_is_split(queue: BatchQueue) -> None:
    batch_id = queue.put(MESSAGES, source="bridge-1")
    batch = claim(queue, batch_id)
    assert batch is not None
    queue.split(batch, batch.read_messages(), second_part=[1, 3])
    queue.split(batch, batch.read_messages(), second_part=[2, 3])  # repeated: nothing changes
    snapshot = queue.snapshot()
    assert [pending.messages_count for pending in snapshot.pending] == [3, 2]
    assert (snapshot.received_messages, snapshot.pending_messages) == (5, 5)
    halves = [claim(queue, pending.id) for pending in snapshot.pending]
    assert [half.read_messages() for half in halves if half] == [
        [MESSAGES[0], MESSAGES[2], MESSAGES[4]],
        [MESSAGES[1], MESSAGES[3]],
    ]


def test_it_keeps_a_batch_that_is_put_aside_out_of_the_way_until_it_is_claimed_again(
    queue: BatchQueue,
) -> None:
    batch_id = queue.put(MESSAGES, source="bridge-1")
    for _ in range(2):
        assert claim(queue, batch_id) is not None
        queue.hold(batch_id)
        queue.hold(batch_id)  # repeated: nothing changes
        snapshot = queue.snapshot()
        assert (snapshot.pending, snapshot.pending_messages) == ([], 0)
        assert [(batch.id, batch.messages_count) for batch in snapshot.held] == [(batch_id, 5)]
        assert queue.oldest_pending_at() is None
        assert queue.is_pending([batch_id])
    claimed = claim(queue, batch_id)
    assert claimed is not None
    assert (claimed.attempts, claimed.read_messages()) == (1, MESSAGES)
    snapshot = queue.snapshot()
    assert (len(snapshot.pending), snapshot.held, snapshot.pending_messages) == (1, [], 5)
    queue.hold(batch_id)
    queue.finish(batch_id)  # another worker stored it meanwhile
    assert queue.snapshot().unfinished == []
    assert queue.snapshot().pending_messages == 0


def test_it_forgets_what_is_put_aside_without_a_body(queue: BatchQueue) -> None:
    queue.redis.zadd(HELD_KEY, {"018f00000000-000000000000": 1.0})
    assert claim(queue, "018f00000000-000000000000") is None
    assert queue.count_held() == 0


def test_it_takes_nothing_that_was_put_aside_for_late(queue: BatchQueue) -> None:
    batch_id = new_id()
    write(queue, batch_id)  # received in 1970
    claim(queue, batch_id)
    queue.hold(batch_id)
    claim(queue, batch_id)
    oldest = queue.oldest_pending_at()
    assert oldest is not None
    assert time.time() - oldest < 60


def test_it_wakes_a_worker_as_long_as_something_that_was_put_aside_waits(queue: BatchQueue) -> None:
    ids = [queue.put([RawMessage("t", b"1")], source="bridge-1") for _ in range(3)]
    for batch_id in ids:
        claim(queue, batch_id)
        queue.hold(batch_id)
    queue.offer(ids, is_last=True)
    claimed = []
    for finished in [[], *([batch_id] for batch_id in ids)]:
        queue.redis.delete(WAKE_KEY)  # as by the worker that is woken
        batches, _ = queue.claim(finished=finished)
        claimed += [batch.id for batch in batches]
        left = len(ids) - len(claimed)
        assert queue.redis.llen(WAKE_KEY) == (1 if left else 0)
    assert claimed == ids


def test_the_time_that_a_batch_was_put_aside_is_no_time_of_storing(queue: BatchQueue) -> None:
    batch_id = queue.put([RawMessage("t", b"1")], source="bridge-1")
    claim(queue, batch_id)
    queue.hold(batch_id)
    queue.offer([batch_id], is_last=True)
    queue.claim()
    queue.finish(batch_id)
    assert queue.redis.hget(COUNTERS_KEY, "storing_us") is None


def test_it_tells_parts_that_may_end_their_worker_from_others(queue: BatchQueue) -> None:
    for is_suspect in (False, True):
        batch = claim(queue, queue.put(MESSAGES, source="bridge-1"))
        assert batch is not None
        queue.split(batch, MESSAGES, second_part=[1], is_suspect=is_suspect)
        parts = [claim(queue, part_id) for part_id in half_ids(batch.id)]
        assert [part.is_suspect for part in parts if part] == [is_suspect] * 2


def test_it_wakes_a_worker_that_waits(queue: BatchQueue) -> None:
    queue.redis.script_flush()  # as when Redis was started again
    assert queue.claim(wait_s=0.05) == ([], [])
    with ThreadPoolExecutor() as pool:
        claiming = pool.submit(queue.claim, wait_s=60)
        time.sleep(0.2)
        batch_id = queue.put(MESSAGES, source="bridge-1")
        claimed, _ = claiming.result(timeout=30)
    assert [batch.id for batch in claimed] == [batch_id]
    assert count_claimed(queue.redis, INGEST_QUEUE) == 1


def test_it_adds_up_what_the_broker_dropped_over_its_restarts(queue: BatchQueue) -> None:
    assert queue.read_dropped().messages == 0
    assert [queue.note_dropped(count) for count in (0, 5, 5, 7)] == [0, 5, 0, 2]
    assert [queue.note_dropped(count) for count in (0, 3)] == [0, 3]  # it was started again
    assert queue.read_dropped().messages == 10
    assert queue.read_dropped().at > 0


def test_it_adds_up_what_the_broker_refused_by_kind_and_user(queue: BatchQueue) -> None:
    assert queue.read_broker_events() == BrokerEvents({}, 0.0, 0, 0.0)
    counts = [queue.note_denied("denied_publish/gateway", count) for count in (2, 2, 1)]
    queue.note_denied("removed_expiry/gateway", 4)
    queue.note_dropped(9)
    events = queue.read_broker_events()
    assert counts == [2, 0, 1]
    assert events.denials == {"denied_publish/gateway": 3, "removed_expiry/gateway": 4}
    assert events.denied_at > 0


def test_it_counts_a_session_as_lost_when_it_was_open_before_and_the_broker_has_not_kept_it(
    queue: BatchQueue,
) -> None:
    assert not queue.note_session("bridge-1", is_kept=False)  # the first of its life
    assert not queue.note_session("bridge-1", is_kept=True)
    assert not queue.note_session("bridge-2", is_kept=False)
    assert queue.note_session("bridge-1", is_kept=False)
    events = queue.read_broker_events()
    assert events.lost_sessions == 1
    assert events.lost_at > 0


def test_it_takes_a_last_will_back_when_the_gateway_says_that_it_is_online(
    queue: BatchQueue,
) -> None:
    redis = queue.redis
    note_statuses(redis, {"a": False, "b": False, "c": True}, now_s=100)
    note_statuses(redis, {"a": True}, now_s=110)
    until = {"online_until_s": 105, "offline_until_s": 105}
    assert read_statuses(redis, **until) == Statuses({"c": 100}, {"b": 100})
    note_statuses(redis, {"b": False, "c": True}, now_s=120)  # between the task's two calls
    forget_statuses(redis, **until)
    left = read_statuses(redis, online_until_s=200, offline_until_s=200)
    assert left == Statuses({"a": 110, "c": 120}, {"b": 120})
