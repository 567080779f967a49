"""Batches in a real Redis: one step, counted once, split and finished."""

import time

import pytest

from telemetry.core.batch import HELD_KEY, INGEST_QUEUE, RawMessage, half_ids
from telemetry.queue.batches import BatchQueue, BrokerEvents, new_id, pack_messages
from telemetry.queue.tasks import count_unacked, list_held_ids, list_waiting_ids

pytestmark = pytest.mark.integration

MESSAGES = [RawMessage("t", b"%d" % number) for number in range(5)]


def write(queue: BatchQueue, batch_id: str) -> bool:
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
    assert write(queue, batch_id) is True
    assert write(queue, batch_id) is False
    snapshot = queue.snapshot()
    assert (snapshot.received_messages, snapshot.pending_messages) == (5, 5)


def test_it_counts_a_batch_once_when_it_was_stored_before_the_reply_came(
    queue: BatchQueue,
) -> None:
    batch_id = new_id()
    write(queue, batch_id)
    queue.finish(batch_id)
    assert write(queue, batch_id) is False
    snapshot = queue.snapshot()
    assert (snapshot.received_messages, snapshot.pending_messages) == (5, 0)


def test_it_finishes_a_batch_once(queue: BatchQueue) -> None:
    batch_id = queue.put(MESSAGES, source="bridge-1")
    queue.finish(batch_id)
    queue.finish(batch_id)
    assert queue.snapshot().pending_messages == 0
    assert queue.claim(batch_id) is None


def test_it_hands_out_what_was_put_and_counts_starts(queue: BatchQueue) -> None:
    batch_id = queue.put(MESSAGES, source="bridge-1")
    first, second = queue.claim(batch_id), queue.claim(batch_id)
    assert first is not None
    assert second is not None
    assert first.read_messages() == MESSAGES
    assert (first.attempts, second.attempts) == (1, 2)
    queue.release(batch_id)
    third = queue.claim(batch_id)
    assert third is not None
    assert third.attempts == 2


def test_it_keeps_every_message_and_count_when_a_batch_is_split(queue: BatchQueue) -> None:
    batch_id = queue.put(MESSAGES, source="bridge-1")
    batch = queue.claim(batch_id)
    assert batch is not None
    queue.split(batch, batch.read_messages(), second_part=[1, 3])
    queue.split(batch, batch.read_messages(), second_part=[2, 3])  # repeated: nothing changes
    snapshot = queue.snapshot()
    assert [pending.messages_count for pending in snapshot.pending] == [3, 2]
    assert (snapshot.received_messages, snapshot.pending_messages) == (5, 5)
    halves = [queue.claim(pending.id) for pending in snapshot.pending]
    assert [half.read_messages() for half in halves if half] == [
        [MESSAGES[0], MESSAGES[2], MESSAGES[4]],
        [MESSAGES[1], MESSAGES[3]],
    ]


def test_it_keeps_a_batch_that_is_put_aside_out_of_the_way_until_it_is_claimed_again(
    queue: BatchQueue,
) -> None:
    batch_id = queue.put(MESSAGES, source="bridge-1")
    for _ in range(2):
        assert queue.claim(batch_id) is not None
        queue.hold(batch_id)
        queue.hold(batch_id)  # repeated: nothing changes
        snapshot = queue.snapshot()
        assert (snapshot.pending, snapshot.pending_messages) == ([], 0)
        assert [(batch.id, batch.messages_count) for batch in snapshot.held] == [(batch_id, 5)]
        assert queue.oldest_pending_at() is None
        assert queue.is_pending([batch_id])
    claimed = queue.claim(batch_id)
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
    assert queue.claim("018f00000000-000000000000") is None
    assert queue.count_held() == 0


def test_it_takes_nothing_that_was_put_aside_for_late(queue: BatchQueue) -> None:
    batch_id = new_id()
    write(queue, batch_id)  # received in 1970
    queue.claim(batch_id)
    queue.hold(batch_id)
    queue.claim(batch_id)
    oldest = queue.oldest_pending_at()
    assert oldest is not None
    assert time.time() - oldest < 60


def test_it_tells_parts_that_may_end_their_worker_from_others(queue: BatchQueue) -> None:
    for is_suspect in (False, True):
        batch = queue.claim(queue.put(MESSAGES, source="bridge-1"))
        assert batch is not None
        queue.split(batch, MESSAGES, second_part=[1], is_suspect=is_suspect)
        parts = [queue.claim(part_id) for part_id in half_ids(batch.id)]
        assert [part.is_suspect for part in parts if part] == [is_suspect] * 2


def test_it_finds_the_tasks_that_wait(queue: BatchQueue) -> None:
    ids = {queue.put(MESSAGES, source="bridge-1") for _ in range(3)}
    assert list_waiting_ids(queue.redis) == ids
    queue.redis.lpop(INGEST_QUEUE, 3)
    assert list_waiting_ids(queue.redis) == set()


def test_it_shows_who_sent_how_many_messages_in_the_task(queue: BatchQueue) -> None:
    batch_id = queue.put(MESSAGES, source="bridge-1")
    [text] = queue.redis.lrange(INGEST_QUEUE, 0, -1)
    assert f"({batch_id}: 5 messages from bridge-1)".encode() in text


def test_it_finds_the_tasks_that_a_worker_holds(queue: BatchQueue) -> None:
    batch_id = queue.put(MESSAGES, source="bridge-1")
    text = queue.redis.lpop(INGEST_QUEUE)
    queue.redis.hset("unacked", "tag", b'[%b, "", "ingest"]' % text)
    queue.redis.zadd("unacked_index", {"tag": 100.0})
    assert list_held_ids(queue.redis, since=50) == {batch_id}
    assert list_held_ids(queue.redis, since=150) == set()
    assert count_unacked(queue.redis) == {"ingest": 1}


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
    assert events.denied == {"denied_publish/gateway": 3, "removed_expiry/gateway": 4}
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
