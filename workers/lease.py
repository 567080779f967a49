"""A worker process renews the lease of what it has claimed, whatever it is busy with."""

import threading

import structlog
from redis import RedisError

from telemetry.queue.batches import LEASE_S, BatchQueue

RENEW_S = LEASE_S / 6

log = structlog.get_logger("workers.ingest")


class Lease:
    """Renewed by a thread from `with` to its end. Who is killed or frozen renews nothing."""

    def __init__(self, queue: BatchQueue) -> None:
        self._queue = queue
        self._is_over = threading.Event()
        self._thread = threading.Thread(target=self._renew, name="lease", daemon=True)

    def __enter__(self) -> None:
        self._thread.start()

    def __exit__(self, *_: object) -> None:
        self._is_over.set()
        self._thread.join()

    def _renew(self) -> None:
        while not self._is_over.wait(RENEW_S):
            try:
                self._queue.renew()
            except RedisError as error:
                log.debug("claims_not_renewed", error=str(error))
