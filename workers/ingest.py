"""The pool "ingest": store batches exactly once, whatever fails."""

import gc

from celery import Task, shared_task
from celery.signals import worker_process_init, worker_shutting_down

from config.env import read_options
from config.options import IngestOptions
from telemetry.core.batch import STORE_BATCH_TASK
from workers import signs  # noqa: F401 - connects to Celery's signals
from workers.runner import BatchRunner, open_runner
from workers.stopping import begin_stop

_runner: BatchRunner | None = None


@worker_process_init.connect
def _forget_runner(**_: object) -> None:
    """A forked child opens connections of its own."""
    global _runner  # noqa: PLW0603 - one runner a process, made after the fork
    _runner = None


@worker_shutting_down.connect
def _stop_waiting(**_: object) -> None:
    begin_stop()


@shared_task(name=STORE_BATCH_TASK, bind=True)
def store_batch(self: "Task[..., None]", batch_id: str) -> None:
    """Store the batch with this id. Repeating it is harmless; see `BatchRunner.run`."""
    global _runner  # noqa: PLW0603
    if _runner is None:
        _runner = open_runner(
            read_options(IngestOptions), self.app, pool=str(self.request.hostname)
        )
        # What exists by now lives as long as the process. Looking it over with every collection
        # took a third of a worker's CPU time.
        gc.collect()
        gc.freeze()
    _runner.run(batch_id)
