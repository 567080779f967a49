"""`manage.py pipeline_status`: the state of bridges, pools, beat and queues."""

import time
from argparse import ArgumentParser
from typing import Any

import msgspec
from django.core.management.base import BaseCommand
from redis import RedisError

from config.celery import app
from config.env import read_options
from config.options import RedisOptions, StatusOptions
from config.queue import connect_redis
from telemetry.queue.batches import BatchQueue
from telemetry.store.operations.pipeline_status import PipelineStatus, read_status
from telemetry.store.operations.task_ages import read_task_ages


class Command(BaseCommand):
    """Print the state of the pipeline; exit code 1 when something is wrong."""

    help = "Show bridges, worker pools, beat and queue depths; exit code 1 when unhealthy."
    requires_system_checks: list[str] = []

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Options of the command."""
        parser.add_argument("--json", action="store_true", help="print one JSON object")
        parser.add_argument("--wait", type=float, default=0, metavar="SECONDS")
        parser.add_argument("--bridges", type=int, default=1, metavar="N", help="bridges expected")
        parser.add_argument("--pools", type=int, default=2, metavar="N", help="pools expected")
        parser.add_argument(
            "--starting",
            action="store_true",
            help="leave out what is past: late scheduled tasks, losses and refusals of the broker",
        )

    def handle(self, *_: Any, **options: Any) -> None:
        """Read until healthy or until the wait is over, then print."""
        queue = BatchQueue(connect_redis(read_options(RedisOptions)))
        give_up_at = time.monotonic() + options["wait"]
        while True:
            status, error = self._try(queue, options)
            is_over = time.monotonic() >= give_up_at
            if is_over or (status is not None and status.healthy):
                break
            time.sleep(0.2)
        if status is None:
            self.stderr.write(f"error: REDIS_URL: Redis does not answer: {error}")
            raise SystemExit(1)
        self._print(status, is_json=options["json"])
        if not status.healthy:
            raise SystemExit(1)

    def _try(
        self, queue: BatchQueue, options: dict[str, Any]
    ) -> tuple[PipelineStatus | None, Exception | None]:
        try:
            status = read_status(
                queue,
                app,
                options=read_options(StatusOptions),
                bridges_wanted=options["bridges"],
                pools_wanted=options["pools"],
                read_tasks=None if options["starting"] else read_task_ages,
                is_starting=options["starting"],
            )
        except (RedisError, OSError) as error:
            return None, error
        return status, None

    def _print(self, status: PipelineStatus, *, is_json: bool) -> None:
        if is_json:
            self.stdout.write(msgspec.json.encode(status).decode())
            return
        for bridge in status.bridges:
            self.stdout.write(f"bridge {bridge.client_id}: {bridge.state}, {bridge.age_s} s ago")
        for pool in status.pools:
            self.stdout.write(f"pool {pool.name}: {'ok' if pool.ok else 'no answer'}")
        self.stdout.write(f"beat: {'ok' if status.beat.ok else 'none holds the lock'}")
        for name, depth in status.queues.items():
            self.stdout.write(f"queue {name}: {depth.waiting} waiting, {depth.unacked} held")
        self.stdout.write(
            f"pending batches: {status.pending_batches}, oldest {status.oldest_pending_s} s"
        )
        if status.held_batches:
            self.stdout.write(f"batches that the reject guard put aside: {status.held_batches}")
        for work in status.work:
            age = "none in a day" if work.progress_age_s is None else f"{work.progress_age_s} s ago"
            waits = f", waits: {work.waits}" if work.waits else ""
            self.stdout.write(f"pool {work.name}: last stored {age}, {work.retries} retries{waits}")
        for task in status.tasks or ():
            age = "never" if task.success_age_s is None else f"{task.success_age_s} s ago"
            off = ", disabled" if task.is_disabled else ""
            self.stdout.write(f"task {task.name}: last success {age}{off}")
        for note in status.notes:
            self.stdout.write(f"note: {note}")
        for problem in status.problems:
            self.stdout.write(f"problem: {problem}")
