"""Send again what has no task any more, and what the reject guard put aside once it has let go."""

from msgspec import Struct

from telemetry.queue.alarm import read_alarm
from telemetry.queue.batches import BatchQueue, PendingBatch
from telemetry.queue.tasks import list_held_ids, list_waiting_ids

LIMIT = 5_000


class Requeued(Struct, frozen=True):
    """Batches that wait to be stored, that were put aside, and that were sent again."""

    pending: int
    held: int
    requeued: int


def requeue_batches(queue: BatchQueue, *, now: float, stale_after_s: float) -> Requeued:
    """Send again every pending batch that has no task (pitfall C1), oldest first. `now`: Unix
    seconds. Sending one twice is harmless. Raises `redis.RedisError` or kombu's errors."""
    # The index first: what is sent after it was read is not judged.
    books = queue.snapshot()
    released = [] if read_alarm(queue.redis) else books.held
    if released or choose_stale(books.pending, set(), now=now, stale_after_s=stale_after_s):
        # A task that a worker took longer ago counts as lost.
        taken = list_held_ids(queue.redis, since=now - stale_after_s)
        with_task = list_waiting_ids(queue.redis) | taken
        stale = choose_stale(books.pending, with_task, now=now, stale_after_s=stale_after_s)
        released = [batch for batch in released if batch.id not in with_task]
        due = (stale + released)[:LIMIT]
    else:
        due = []
    last = {batch.id for batch in released}  # hundreds at once: what arrives now goes before them
    for batch in due:
        queue.send_task(
            batch.id, count=batch.messages_count, source="requeue", is_last=batch.id in last
        )
    return Requeued(len(books.pending), len(books.held), len(due))


def choose_stale(
    pending: list[PendingBatch], with_task: set[str], *, now: float, stale_after_s: float
) -> list[PendingBatch]:
    """Pending batches that are old, that no worker works on, and that have no task."""
    return [
        batch
        for batch in pending
        if batch.id not in with_task
        and now - batch.received_at > stale_after_s
        and (batch.claimed_at is None or now - batch.claimed_at > stale_after_s)
    ]
