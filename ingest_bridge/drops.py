"""What the broker says that it has dropped, denied or lost, told to the queue's books."""

import structlog

from ingest_bridge.session import Session
from telemetry.queue.batches import BatchQueue

log = structlog.get_logger("ingest_bridge")


class BrokerDrops:
    """Passes each new figure on, once."""

    def __init__(self, queue: BatchQueue, session: Session, *, client_id: str) -> None:
        self._queue = queue
        self._session = session
        self._client_id = client_id

    def report(self) -> None:
        """Pass what is new on. Raises `redis.RedisError`; what was not passed on is kept then."""
        self._report_session()
        self._report_dropped()
        for name, count in list(self._session.broker_denials.items()):
            new = self._queue.note_denied(name, count)
            if new and name.startswith("denied"):
                log.warning("broker_denied", what=name, times=new, hint="see the broker's log")
            del self._session.broker_denials[name]

    def _report_session(self) -> None:
        if not self._session.is_new:
            return
        if self._queue.note_session(self._client_id, is_kept=self._session.was_present):
            log.error("session_lost", client_id=self._client_id, hint="what waited in it is lost")
        self._session.is_new = False

    def _report_dropped(self) -> None:
        count = self._session.broker_dropped
        if count is None:
            return
        new = self._queue.note_dropped(count)
        if new:
            log.error("broker_dropped", messages=new, hint="a queue of the broker was full")
        self._session.broker_dropped = None
