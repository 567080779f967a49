"""What the broker says that it has dropped, told to the queue's books."""

import structlog

from ingest_bridge.session import Session
from telemetry.queue.batches import BatchQueue

log = structlog.get_logger("ingest_bridge")


class BrokerDrops:
    """Passes each new figure on, once."""

    def __init__(self, queue: BatchQueue, session: Session) -> None:
        self._queue = queue
        self._session = session

    def report(self) -> None:
        """Pass a new figure on. Raises `redis.RedisError`; the figure is kept then."""
        count = self._session.broker_dropped
        if count is None:
            return
        new = self._queue.note_dropped(count)
        if new:
            log.error("broker_dropped", messages=new, hint="a queue of the broker was full")
        self._session.broker_dropped = None
