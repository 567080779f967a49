"""Stop taking messages when the queue is deep or Redis is nearly full; resume when it has drained.

What is not taken is not acknowledged, so it waits in the broker's session. Two marks for each level
keep the bridge from going on and off with every batch.
"""

import structlog
from redis import RedisError

from telemetry.queue.batches import BatchQueue
from telemetry.queue.levels import WaterMarks, read_levels

CHECK_EVERY_S = 0.5

log = structlog.get_logger("ingest_bridge")


class Backpressure:
    """Whether the bridge is paused, looked at twice a second."""

    def __init__(self, queue: BatchQueue, marks: WaterMarks) -> None:
        self._queue = queue
        self._marks = marks
        self._checked_at = float("-inf")
        self.reason = ""

    @property
    def is_paused(self) -> bool:
        """Whether no further batch may be sent."""
        return bool(self.reason)

    def check(self, *, now_s: float) -> None:
        """Look at the levels when it is time to. Without an answer nothing changes: sending meets
        the same Redis and waits by itself."""
        if now_s - self._checked_at < CHECK_EVERY_S:
            return
        self._checked_at = now_s
        try:
            levels = read_levels(self._queue.redis)
        except (RedisError, OSError):
            return
        was_paused = self.is_paused
        self.reason = self._marks.find_pause_reason(levels, is_paused=was_paused)
        if self.is_paused and not was_paused:
            log.warning("backpressure_on", reason=self.reason)
        elif was_paused and not self.is_paused:
            log.info("backpressure_off")
