"""Make batches ready again that nobody has, and what the reject guard put aside once it has let go.

While the guard holds, a few of the batches that it put aside are tried at each run: so it learns
that it may let go also when nothing else arrives, and its alarm, which runs out unless something is
held, never outlives the fault.
"""

from msgspec import Struct

from telemetry.queue.alarm import read_alarm
from telemetry.queue.batches import BatchQueue, PendingBatch

LIMIT = 5_000


class Requeued(Struct, frozen=True):
    """Batches that wait to be stored, that are put aside, and that were offered again."""

    pending: int
    held: int
    requeued: int


def requeue_batches(queue: BatchQueue, *, now: float, stale_after_s: float) -> Requeued:
    """Offer every pending batch that is in no list and that no worker holds, oldest first: one
    that was restored from a backup, or written by a process that died. `now`: Unix seconds.

    What is ready or claimed stays as it is. Raises `redis.RedisError` or kombu's errors.
    """
    pending = queue.snapshot(with_held=False).pending
    held = queue.sample_held() if read_alarm(queue.redis) else queue.list_held(limit=LIMIT)
    stale = [batch.id for batch in choose_stale(pending, now=now, stale_after_s=stale_after_s)]
    requeued = 0
    for start in range(0, len(stale), LIMIT):
        requeued += queue.offer(stale[start : start + LIMIT])
    if held:
        requeued += queue.offer(held, is_last=True)
    queue.watch()
    return Requeued(len(pending), queue.count_held(), requeued)


def choose_stale(
    pending: list[PendingBatch], *, now: float, stale_after_s: float
) -> list[PendingBatch]:
    """Pending batches that are old.

    Times are those of bridges: what lies far ahead was noted by a clock that was wrong, and counts
    as old.
    """
    return [batch for batch in pending if abs(now - batch.received_at) > stale_after_s]
