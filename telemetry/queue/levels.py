"""How full the queue is, and how late."""

import time
from typing import Any

from msgspec import Struct
from redis import Redis

from telemetry.core.batch import COUNTERS_KEY, PENDING_KEY


class Levels(Struct, frozen=True):
    """Messages that wait to be stored, Redis's memory in percent of its limit (0: no limit), and
    the age of the oldest batch that waits (0: none)."""

    pending_messages: int
    memory_percent: float
    oldest_s: float = 0.0


def read_levels(redis: Redis) -> Levels:
    """Ask Redis, in one round trip. Raises `redis.RedisError`."""
    pipeline = redis.pipeline(transaction=False)
    pipeline.hget(COUNTERS_KEY, "pending_messages")
    pipeline.info("memory")
    pipeline.zrange(PENDING_KEY, 0, 0, withscores=True)
    pending, memory, oldest = pipeline.execute()
    figures: dict[str, Any] = memory
    limit = int(figures.get("maxmemory", 0))
    used = int(figures["used_memory"])
    return Levels(
        int(pending or 0),
        100 * used / limit if limit else 0.0,
        max(0.0, time.time() - oldest[0][1]) if oldest else 0.0,
    )
