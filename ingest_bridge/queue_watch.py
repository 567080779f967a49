"""See every second that what dead workers held is stored by others, and that somebody works."""

import structlog
from kombu.exceptions import OperationalError
from redis import RedisError

from telemetry.queue.batches import BatchQueue

WATCH_EVERY_S = 1.0

log = structlog.get_logger("ingest_bridge")


class QueueWatch:
    """Needs neither beat nor a worker that lives."""

    def __init__(self, queue: BatchQueue) -> None:
        self._queue = queue
        self._watched_at = float("-inf")

    def check(self, *, now_s: float) -> None:
        """Watch the queue when it is time to."""
        if now_s - self._watched_at < WATCH_EVERY_S:
            return
        self._watched_at = now_s
        try:
            self._queue.watch()
        except (RedisError, OperationalError, OSError) as error:
            log.debug("queue_not_watched", error=str(error))
