"""`python -m workers.ingest_pool` starts the pool "ingest".

As `celery -A config.ingest worker -Q ingest` does, without Celery's command line: that imports all
of its commands and those of Flower, a fifth of the CPU time of a start.
"""

import argparse
import sys

from celery.utils.nodenames import default_nodename, host_format

from config.ingest import app
from telemetry.core.batch import INGEST_QUEUE


def main(arguments: list[str] | None = None) -> int:
    """Serve until a signal ends the pool; the exit code."""
    parser = argparse.ArgumentParser(
        prog="python -m workers.ingest_pool", description="Store the batches that wait in Redis."
    )
    parser.add_argument(
        "--hostname",
        type=lambda name: host_format(default_nodename(name)),
        help="the pool's name, as NAME@HOST; %%h is this machine's name",
    )
    parser.add_argument("--concurrency", type=int, default=2, help="processes; default 2")
    parsed = parser.parse_args(arguments)
    worker = app.Worker(
        queues=[INGEST_QUEUE],
        hostname=parsed.hostname,
        concurrency=parsed.concurrency,
        loglevel="WARNING",
        without_mingle=True,
        without_gossip=True,
    )
    worker.start()
    return int(worker.exitcode or 0)


if __name__ == "__main__":
    sys.exit(main())
