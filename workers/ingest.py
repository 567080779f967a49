"""The pool "ingest": store batches exactly once, whatever fails."""

import gc
import sys

from celery import Task, shared_task
from celery.signals import worker_init, worker_process_init, worker_shutting_down

from config.database import read_connect_timeout_s
from config.env import read_options
from config.options import CheckOptions, IngestOptions, MaintenanceOptions
from telemetry.core.batch import STORE_BATCHES_TASK
from telemetry.core.batch_life import find_impatience
from telemetry.queue.traces import find_missing
from workers import signs  # noqa: F401 - connects to Celery's signals
from workers.runner import BatchRunner, open_runner
from workers.stopping import begin_stop

_runner: BatchRunner | None = None


@worker_init.connect
def _check_settings(**_: object) -> None:
    """Start with no settings that contradict each other, without Django's checks."""
    options, silenced = read_options(IngestOptions), read_options(CheckOptions).silenced
    errors = find_impatience(
        stale_after_s=read_options(MaintenanceOptions).stale_after_s,
        visibility_timeout_s=options.queue.visibility_timeout_s,
        statement_timeout_s=options.statement_timeout_s,
        connect_timeout_s=read_connect_timeout_s(options.database.url),
    )
    errors = [found for found in errors if found.id not in silenced]
    lines = [f"{found.text} ({found.id})" for found in errors]
    if missing := find_missing(options.traces):
        lines.append(missing)
    for line in lines:
        sys.stderr.write(f"error: {line}\n")
    if lines:
        raise SystemExit(2)


@worker_process_init.connect
def _reset_runner(**_: object) -> None:
    """A forked child opens connections of its own."""
    global _runner  # noqa: PLW0603 - one runner a process, made after the fork
    _runner = None


@worker_shutting_down.connect
def _stop_waiting(**_: object) -> None:
    begin_stop()


@shared_task(name=STORE_BATCHES_TASK, bind=True)
def store_batches(self: "Task[..., None]") -> None:
    """Store the batches that wait, and those that come; end when none comes any more."""
    global _runner  # noqa: PLW0603
    if _runner is None:
        _runner = open_runner(
            read_options(IngestOptions), self.app, pool=str(self.request.hostname)
        )
        # What exists by now lives as long as the process. Looking it over with every collection
        # took a third of a worker's CPU time.
        gc.collect()
        gc.freeze()
    _runner.run()
