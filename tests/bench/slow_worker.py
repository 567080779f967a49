"""An ingest pool whose sustainable rate is known: `python -m tests.bench.slow_worker worker ...`.

It stores at most SLOW_RATE messages a second while the file SLOW_WHILE is there.
"""

import os
import sys
import time
from pathlib import Path
from typing import Any


def slow_down() -> None:
    """Let every process of the pool take its share of the rate."""
    from telemetry.store.ingest.batch_store import BatchStore

    store = BatchStore.store
    rate = float(os.environ["SLOW_RATE"]) / int(os.environ["INGEST_CONCURRENCY"])
    flag = Path(os.environ["SLOW_WHILE"])

    def store_slowly(self: Any, batches: Any) -> Any:
        due_at = time.monotonic() + sum(len(batch.messages) for batch in batches) / rate
        stored = store(self, batches)
        while flag.exists() and time.monotonic() < due_at:
            time.sleep(min(0.2, max(0.0, due_at - time.monotonic())))
        return stored

    BatchStore.store = store_slowly  # type: ignore[method-assign]


if __name__ == "__main__":
    from celery.__main__ import main

    import config.ingest

    config.ingest.app.loader.import_default_modules()
    slow_down()
    sys.argv = ["celery", "-A", "config.ingest", *sys.argv[1:]]
    main()
