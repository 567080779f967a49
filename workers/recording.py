"""Record each run of a scheduled task: the last one of each, and a history.

A task that runs every minute or more often (`is_frequent`) enters the history only when it did
something, failed or found another at work: its idle runs would push the others out of sight.
"""

import functools
import time
from collections.abc import Callable
from datetime import datetime
from typing import Any, TypeAlias

import structlog
from celery import shared_task
from django.db import transaction
from django.utils import timezone
from msgspec import Struct

from telemetry.models import TaskHistory, TaskRun

Result: TypeAlias = dict[str, Any]
BUSY: Result = {"busy": 1}  # what a task returns that found another at work
ERROR_CHARACTERS = 4_000

log = structlog.get_logger("workers.maintenance")


class Recorder(Struct, frozen=True):
    """How the runs of a task are recorded.

    `rows`: the entry of the result that counts what was done; empty: all numbers of the result.
    """

    name: str
    rows: str = ""
    is_frequent: bool = False

    def record_success(self, result: Result, *, started_at: datetime, duration_ms: int) -> None:
        """Note an end without error. One that found another at work is no success."""
        is_busy = bool(result.get("busy"))
        outcome = TaskHistory.Outcome.BUSY if is_busy else TaskHistory.Outcome.SUCCESS
        fields: dict[str, Any] = {"duration_ms": duration_ms, "result": result}
        # What the last run found stands until a run did its work.
        news = {} if is_busy else {**fields, "success_at": timezone.now()}
        rows = 0 if is_busy else self.count_rows(result)
        is_told = bool(rows) or is_busy or not self.is_frequent
        with transaction.atomic():
            self._note_last(started_at=started_at, **news)
            if is_told:
                self._note_past(started_at, outcome, rows=rows, **fields)
        if is_told:
            log.info("task_done", task=self.name, duration_ms=duration_ms, **result)

    def record_error(self, error: Exception, *, started_at: datetime, duration_ms: int) -> None:
        """Note an end by an error."""
        text = repr(error)[:ERROR_CHARACTERS]
        log.warning("task_failed", task=self.name, error=text)
        with transaction.atomic():
            self._note_last(started_at=started_at, error_at=timezone.now(), error=text)
            self._note_past(
                started_at, TaskHistory.Outcome.ERROR, duration_ms=duration_ms, error=text
            )

    def count_rows(self, result: Result) -> int:
        """How many rows a run dealt with."""
        if self.rows:
            return int(result.get(self.rows, 0))
        return sum(value for value in result.values() if isinstance(value, int))

    def _note_last(self, **fields: Any) -> None:
        TaskRun.objects.update_or_create(name=self.name, defaults=fields)

    def _note_past(self, started_at: datetime, outcome: str, **fields: Any) -> None:
        TaskHistory.objects.create(task=self.name, started_at=started_at, outcome=outcome, **fields)


def recorded_task(
    name: str, *, rows: str = "", is_frequent: bool = False
) -> Callable[[Callable[..., Result]], Any]:
    """Make a Celery task of a function that returns what it did, and record its runs."""
    recorder = Recorder(name, rows, is_frequent)

    def decorate(function: Callable[..., Result]) -> Any:
        # Flower would list little else: the admin's page of schedules has these.
        @shared_task(name=name, send_events=not is_frequent)
        @functools.wraps(function)
        def run(*args: Any, **kwargs: Any) -> None:
            started_at, started_s = timezone.now(), time.monotonic()
            try:
                result = function(*args, **kwargs)
            except Exception as error:
                recorder.record_error(
                    error, started_at=started_at, duration_ms=_elapsed_ms(started_s)
                )
                raise
            recorder.record_success(
                result, started_at=started_at, duration_ms=_elapsed_ms(started_s)
            )

        return run

    return decorate


def _elapsed_ms(started_s: float) -> int:
    return round((time.monotonic() - started_s) * 1000)
