"""A worker with faults of its own: `python -m tests.acceptance.poisoned_worker worker ...`.

A message that holds KILL ends the process that stores it as the kernel does to one that is out of
memory; one that holds RAISE raises every time.
"""

import os
import signal
import sys
from typing import Any

KILL = b"poison-kill"
RAISE = b"poison-raise"


def poison() -> None:
    """Put the faults in the way of every batch."""
    from telemetry.store.ingest.batch_store import BatchStore

    store = BatchStore.store

    def store_or_fail(self: Any, batches: Any) -> Any:
        messages = [message for batch in batches for message in batch.messages]
        if any(KILL in message.payload for message in messages):
            os.kill(os.getpid(), signal.SIGKILL)
        if any(RAISE in message.payload for message in messages):
            raise RuntimeError("this code cannot take it")
        return store(self, batches)

    BatchStore.store = store_or_fail  # type: ignore[method-assign]


if __name__ == "__main__":
    from celery.__main__ import main

    import config.ingest

    config.ingest.app.loader.import_default_modules()
    poison()
    sys.argv = ["celery", "-A", "config.ingest", *sys.argv[1:]]
    main()
