"""Send again what has no task any more, and what the reject guard put aside once it has let go.

While the guard holds, a few of the batches that it put aside are tried at each run: so it learns
that it may let go also when nothing else arrives, and its alarm, which runs out unless something is
held, never outlives the fault.
"""

from msgspec import Struct

from telemetry.queue.alarm import read_alarm
from telemetry.queue.batches import BatchQueue, PendingBatch
from telemetry.queue.tasks import list_held_ids, list_last_ids, list_waiting_ids

LIMIT = 5_000


class Requeued(Struct, frozen=True):
    """Batches that wait to be stored, that are put aside, and that were sent again."""

    pending: int
    held: int
    requeued: int


def requeue_batches(queue: BatchQueue, *, now: float, stale_after_s: float) -> Requeued:
    """Send again every pending batch that has no task (pitfall C1), oldest first. `now`: Unix
    seconds. Sending one twice is harmless. Raises `redis.RedisError` or kombu's errors."""
    # The index first: what is sent after it was read is not considered.
    pending = queue.snapshot(with_held=False).pending
    held = queue.sample_held() if read_alarm(queue.redis) else queue.list_held(limit=LIMIT)
    stale = choose_stale(pending, set(), now=now, stale_after_s=stale_after_s)
    # A task that a worker took longer ago counts as lost.
    taken = list_held_ids(queue.redis, since=now - stale_after_s) if stale or held else set()
    if stale:
        with_task = list_waiting_ids(queue.redis) | taken
        stale = choose_stale(pending, with_task, now=now, stale_after_s=stale_after_s)[:LIMIT]
        for batch in stale:
            queue.send_task(batch.id, count=batch.messages_count, source="requeue")
    if held:
        with_task = list_last_ids(queue.redis) | taken
        held = [batch_id for batch_id in held if batch_id not in with_task]
        for batch_id in held:
            # Hundreds at once: what arrives now goes before them.
            queue.send_task(batch_id, count=0, source="what was held", is_last=True)
    return Requeued(len(pending), queue.count_held(), len(stale) + len(held))


def choose_stale(
    pending: list[PendingBatch], with_task: set[str], *, now: float, stale_after_s: float
) -> list[PendingBatch]:
    """Pending batches that are old, that no worker works on, and that have no task.

    Times are those of bridges and workers: what lies far ahead was noted by a clock that was wrong,
    and counts as old.
    """
    return [
        batch
        for batch in pending
        if batch.id not in with_task
        and abs(now - batch.received_at) > stale_after_s
        and (batch.claimed_at is None or abs(now - batch.claimed_at) > stale_after_s)
    ]
