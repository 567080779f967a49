"""How full the queue is."""

from typing import Any

from msgspec import Struct
from redis import Redis

from telemetry.core.batch import COUNTERS_KEY


class Levels(Struct, frozen=True):
    """Messages that wait to be stored, and Redis's memory in percent of its limit (0: no limit)."""

    pending_messages: int
    memory_percent: float


def read_levels(redis: Redis) -> Levels:
    """Ask Redis, in one round trip. Raises `redis.RedisError`."""
    pipeline = redis.pipeline(transaction=False)
    pipeline.hget(COUNTERS_KEY, "pending_messages")
    pipeline.info("memory")
    pending, memory = pipeline.execute()
    figures: dict[str, Any] = memory
    limit = int(figures.get("maxmemory", 0))
    used = int(figures["used_memory"])
    return Levels(int(pending or 0), 100 * used / limit if limit else 0.0)
