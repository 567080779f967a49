"""The behaviour of the queue that `tests/integration/test_queue.py` holds the real Redis to, on the
small one; and what needs no server at all."""

import pytest

from telemetry.core.batch import STORE_BATCHES_TASK, BatchFormatError
from telemetry.queue.batches import (
    LEASE_S,
    BatchQueue,
    ClaimedBatch,
    Dropped,
    OvertakenError,
    PendingBatch,
    Snapshot,
    new_id,
    pack_messages,
)
from tests.batches import claim, list_ready
from tests.integration.test_queue import (  # noqa: F401 - collected here as well
    MESSAGES,
    test_it_adds_up_what_the_broker_dropped_over_its_restarts,
    test_it_adds_up_what_the_broker_refused_by_kind_and_user,
    test_it_counts_a_batch_once_when_it_was_stored_before_the_reply_came,
    test_it_counts_a_batch_once_when_its_write_is_repeated,
    test_it_counts_a_session_as_lost_when_it_was_open_before_and_the_broker_has_not_kept_it,
    test_it_finishes_a_batch_once,
    test_it_hands_out_what_was_put_and_counts_starts,
    test_it_keeps_a_batch_that_is_put_aside_out_of_the_way_until_it_is_claimed_again,
    test_it_keeps_every_message_and_count_when_a_batch_is_split,
    write,
)
from tests.simulation.lean_client import LeanRedis
from tests.simulation.lean_redis import Data
from tests.unit.queue.conftest import ListingCelery

FIRST, SECOND = "018bcfe56800-000000000001", "018bcfe56800-000000000002"


def test_it_sends_no_tasks_of_halves_when_the_batch_was_put_aside_meanwhile(
    queue: BatchQueue,
) -> None:
    """Two workers had it: one held it when the other was about to split it."""
    batch_id = queue.put(MESSAGES, source="bridge-1")
    batch = claim(queue, batch_id)
    assert batch is not None
    queue.hold(batch_id)
    queue.split(batch, MESSAGES, second_part=[1])
    assert list_ready(queue) == set()
    assert [held.id for held in queue.snapshot().held] == [batch_id]


def test_it_calls_a_worker_when_none_is_there(queue: BatchQueue, celery: ListingCelery) -> None:
    first, second = (queue.put(MESSAGES, source="b") for _ in range(2))
    assert celery.sent == [
        {
            "name": STORE_BATCHES_TASK,
            "queue": "ingest",
            "ignore_result": True,
            "retry": False,
        }
    ], "one task is on its way"
    queue.redis.delete("ingest")
    claimed, _ = queue.claim()
    assert [batch.id for batch in claimed] == [first, second]
    queue.put(MESSAGES, source="b")
    assert len(celery.sent) == 1, "who is there comes for it"
    queue.put(MESSAGES, source="b")
    assert len(celery.sent) == 2, "nobody came for the one before"


def test_it_calls_no_worker_without_an_app() -> None:
    with pytest.raises(RuntimeError, match="without a Celery app"):
        BatchQueue(LeanRedis(Data(lambda: 0.0))).ring()  # type: ignore[arg-type]


def test_it_starts_on_few_batches_at_once_and_on_doubtful_ones_alone(queue: BatchQueue) -> None:
    ids = [queue.put(MESSAGES, source="b") for _ in range(3)]
    together = queue.claim(most_messages=11)[0]
    assert [(batch.id, batch.attempts) for batch in together] == [(ids[0], 0), (ids[1], 0)]
    queue.owner = "after one that was killed"
    queue.redis.data.keys[b"ingest:owners"][b"owner"] = -1.0  # type: ignore[attr-defined]
    queue.watch()
    for finished, batch_id in (([], ids[0]), (ids[:1], ids[1]), (ids[:2], ids[2])):
        [alone] = queue.claim(finished=finished)[0]
        assert (alone.id, alone.attempts) == (batch_id, 1)


def test_it_gives_back_what_the_owner_held_when_a_call_failed(queue: BatchQueue) -> None:
    batch_id = queue.put(MESSAGES, source="b")
    for _ in range(2):
        [batch] = queue.claim()[0]
        assert (batch.id, batch.attempts) == (batch_id, 1)
    assert queue.claim(finished=[batch_id]) == ([], [])


def test_it_takes_over_from_owners_whose_lease_ran_out(queue: BatchQueue) -> None:
    now = [0.0]
    queue.redis.data._clock = lambda: now[0]  # type: ignore[attr-defined]
    batch_id = queue.put(MESSAGES, source="b")
    queue.claim()
    for _ in range(3):
        now[0] += LEASE_S - 1
        queue.renew()
        queue.watch()
        assert list_ready(queue) == set()
    now[0] += LEASE_S
    queue.watch()
    assert list_ready(queue) == {batch_id}
    queue.renew()
    assert queue.redis.zcard("ingest:owners") == 0, "who lost its claims renews nothing"
    queue.release(batch_id)
    assert queue.redis.llen("ingest:ready") == 1, "nor does it give them back"


def test_it_ends_an_owner_that_holds_nothing(queue: BatchQueue) -> None:
    batch_id = queue.put(MESSAGES, source="b")
    queue.claim()
    queue.leave()
    assert queue.redis.zcard("ingest:owners") == 1
    queue.finish(batch_id)
    queue.leave()
    assert queue.redis.zcard("ingest:owners") == 0


def test_it_names_ready_batches_that_are_gone(queue: BatchQueue) -> None:
    batch_id = queue.put(MESSAGES, source="b")
    queue.finish(batch_id)
    assert queue.claim() == ([], [batch_id])
    assert queue.claim() == ([], [])


def test_it_offers_only_what_nobody_has(queue: BatchQueue) -> None:
    claimed, ready = (queue.put(MESSAGES, source="b") for _ in range(2))
    hidden = queue.put(MESSAGES, source="b", is_ready=False)
    assert list_ready(queue) == {claimed, ready}
    assert len(queue.claim(most_messages=1)[0]) == 1
    assert queue.offer([claimed, ready, hidden, FIRST]) == 1
    assert list_ready(queue) == {ready, hidden}


def test_it_says_how_long_the_last_batch_took(queue: BatchQueue) -> None:
    now = [1.0]
    queue.redis.data._clock = lambda: now[0]  # type: ignore[attr-defined]
    first = queue.put(MESSAGES, source="b")
    now[0] += 0.25
    queue.claim(finished=[first])
    assert write(queue, FIRST).storing_s == 0.25


def test_it_writes_after_the_batch_that_it_is_to_follow(queue: BatchQueue) -> None:
    def write_after(batch_id: str, after: str | None) -> bool:
        return queue.write(
            batch_id, b"", count=1, source="s", producer="p", received_us=1, after=after
        ).is_new

    assert write_after(FIRST, "")
    with pytest.raises(OvertakenError, match="p: another batch than 'other' is its newest"):
        write_after(SECOND, "other")
    assert queue.read_last("p") == FIRST
    assert write_after(SECOND, FIRST)
    assert queue.read_last("p") == SECOND
    assert queue.read_last("unheard") == ""


def test_it_lists_pending_batches_by_the_beginning_of_their_ids(queue: BatchQueue) -> None:
    for batch_id in (SECOND, FIRST):
        write(queue, batch_id)
    assert queue.list_pending(prefix="018bcfe5") == [FIRST, SECOND]
    assert queue.list_pending(prefix=SECOND) == [SECOND]
    assert queue.list_pending(prefix="x") == []


def test_it_knows_what_is_pending_and_since_when(queue: BatchQueue) -> None:
    assert queue.oldest_pending_at() is None
    write(queue, FIRST)
    assert queue.oldest_pending_at() == 1.0
    assert queue.is_pending([SECOND, FIRST])
    assert not queue.is_pending([SECOND])
    [pending] = queue.snapshot().pending
    assert (pending.id, pending.received_at, pending.attempts) == (FIRST, 1.0, 0)
    assert pending.claimed_at is None
    claimed = claim(queue, FIRST)
    assert claimed is not None
    assert (claimed.source, claimed.received_us, claimed.messages_count) == (
        "bridge-1",
        1_000_000,
        5,
    )
    assert claimed.seq == 1
    [pending] = queue.snapshot().pending
    assert pending.claimed_at is not None
    assert pending.attempts == 1
    queue.touch(FIRST)
    assert queue.snapshot().pending[0].attempts == 0


def test_it_says_that_a_body_cannot_be_read() -> None:
    batch = ClaimedBatch(FIRST, "s", 1, 1, 1, 1, b"no such body")
    with pytest.raises(BatchFormatError, match="cannot be decompressed"):
        batch.read_messages()


def test_it_packs_what_it_reads_again() -> None:
    batch = ClaimedBatch(FIRST, "s", 1, 5, 1, 1, pack_messages(MESSAGES))
    assert batch.read_messages() == MESSAGES


def test_it_makes_both_parts_of_a_batch_ready_that_it_splits(queue: BatchQueue) -> None:
    write(queue, FIRST)
    batch = claim(queue, FIRST)
    assert batch is not None
    queue.split(batch, MESSAGES, second_part=[4])
    assert list_ready(queue) == {f"{FIRST}.0", f"{FIRST}.1"}


def test_it_says_nothing_of_an_empty_queue(queue: BatchQueue) -> None:
    assert queue.snapshot() == Snapshot(0, 0, 0, [], [])
    assert queue.read_dropped() == Dropped(0, 0.0)


def test_it_knows_the_oldest_of_many(queue: BatchQueue) -> None:
    for number, batch_id in enumerate((FIRST, SECOND), 1):
        queue.write(
            batch_id, b"", count=1, source="s", producer="p", received_us=number * 1_000_000
        )
    assert queue.oldest_pending_at() == 1.0


def test_it_lists_an_entry_whose_batch_is_gone_as_one_of_no_messages(queue: BatchQueue) -> None:
    """As a restored index may have it."""
    queue.redis.zadd("ingest:pending", {FIRST: 1.0})
    assert queue.snapshot().pending == [PendingBatch(FIRST, 1.0, 0, 0, None)]


def test_it_makes_ids_that_sort_by_time_and_differ(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("telemetry.queue.batches.time.time_ns", lambda: 1_700_000_000_123_456_789)
    first, second = new_id(), new_id()
    assert first.partition("-")[0] == second.partition("-")[0] == f"{1_700_000_000_123:012x}"
    assert first != second
