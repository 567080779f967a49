"""How full the queue is, and how late."""

import time
from typing import Any

from msgspec import Struct
from redis import Redis

from config.options import MarkOptions
from telemetry.core.batch import COUNTERS_KEY, PENDING_KEY


class Levels(Struct, frozen=True):
    """Messages that wait to be stored, Redis's memory in percent of its limit (0: no limit), and
    the age of the oldest batch that waits (0: none)."""

    pending_messages: int
    memory_percent: float
    oldest_s: float = 0.0


class WaterMarks(Struct, frozen=True):
    """Above a high mark bridges pause, below both low marks they resume. Memory in percent.

    Imports and replays put nothing above the low marks: a bridge that pauses would never resume.
    """

    pending_high: int
    pending_low: int
    memory_high: int
    memory_low: int

    def find_pause_reason(self, levels: Levels, *, is_paused: bool) -> str:
        """Why to pause; empty when messages may be taken."""
        pending_mark = self.pending_low if is_paused else self.pending_high
        memory_mark = self.memory_low if is_paused else self.memory_high
        if levels.pending_messages > pending_mark:
            return f"{levels.pending_messages} messages pending, the mark is {pending_mark}"
        if levels.memory_percent > memory_mark:
            return f"Redis is {levels.memory_percent:.0f}% full, the mark is {memory_mark}%"
        return ""


def choose_marks(options: MarkOptions) -> WaterMarks:
    """The marks of the settings."""
    return WaterMarks(
        options.pending_high, options.pending_low, options.memory_high, options.memory_low
    )


def read_levels(redis: Redis) -> Levels:
    """Ask Redis, in one round trip. Raises `redis.RedisError`."""
    pipeline = redis.pipeline(transaction=False)
    pipeline.hget(COUNTERS_KEY, "pending_messages")
    pipeline.info("memory")
    pipeline.zrange(PENDING_KEY, 0, 0, withscores=True)
    pending, memory, oldest = pipeline.execute()
    info: dict[str, Any] = memory
    limit = int(info.get("maxmemory", 0))
    used = int(info["used_memory"])
    return Levels(
        int(pending or 0),
        100 * used / limit if limit else 0.0,
        max(0.0, time.time() - oldest[0][1]) if oldest else 0.0,
    )
