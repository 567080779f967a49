"""One batch by its id, where the workers claim what is ready."""

from typing import Any

from telemetry.core.batch import CLAIMS_KEY, READY_KEY, RETRY_KEY
from telemetry.queue.batches import BatchQueue, ClaimedBatch
from workers.runner import BatchRunner


def claim(queue: BatchQueue, batch_id: str) -> ClaimedBatch | None:
    """Start on this batch; None when it is gone. Who held it before counts as dead."""
    for key in (READY_KEY, RETRY_KEY):
        queue.redis.lrem(key, 0, batch_id)
    queue.redis.delete(CLAIMS_KEY + queue.owner)
    queue.redis.rpush(READY_KEY, batch_id)
    [*batches], gone = queue.claim(most_messages=1)
    if batch_id not in gone:
        return batches[0]
    for batch in batches:
        queue.release(batch.id)
    return None


def run_batch(runner: BatchRunner, batch_id: str) -> None:
    """Bring this batch to its end."""
    batch = claim(runner._queue, batch_id)
    if batch is None:
        runner._check_gone(batch_id)
    else:
        runner._run_claimed([batch])
        runner._note_progress()
    runner._queue.finish(*runner._finished)
    runner._finished = []


def list_ready(queue: BatchQueue) -> set[str]:
    """Ids of the batches that wait for a worker."""
    keys = (READY_KEY, RETRY_KEY)
    found: Any = [queue.redis.lrange(key, 0, -1) for key in keys]
    return {batch_id.decode() for batch_ids in found for batch_id in batch_ids}
