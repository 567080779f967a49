"""How many tasks and batches wait, and how many workers hold: by queue."""

from typing import Any

import msgspec
from msgspec import Struct
from redis import Redis

from telemetry.core.batch import (
    CLAIMS_KEY,
    INGEST_QUEUE,
    OWNERS_KEY,
    READY_KEY,
    RETRY_KEY,
)

UNACKED_KEY = "unacked"  # as kombu's Redis transport has it (kombu 5.7, transport/redis.py)


class _Message(Struct):
    pass


_unacked = msgspec.json.Decoder(tuple[_Message, str, str])


def count_waiting(redis: Redis, queue: str) -> int:
    """Batches, or for other queues tasks, that no worker has."""
    if queue == INGEST_QUEUE:
        return int(redis.llen(READY_KEY)) + int(redis.llen(RETRY_KEY))
    return int(redis.llen(queue))


def count_claimed(redis: Redis, queue: str) -> int:
    """Batches, or for other queues tasks, that workers hold."""
    if queue == INGEST_QUEUE:
        owners: Any = redis.zrange(OWNERS_KEY, 0, -1)
        return sum(int(redis.llen(CLAIMS_KEY + owner.decode())) for owner in owners)
    texts: Any = redis.hvals(UNACKED_KEY)
    return sum(1 for text in texts if _unacked.decode(text)[2] == queue)
