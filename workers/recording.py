"""Record each run of a scheduled task: last start, last success, last error (pitfall F3)."""

import functools
import time
from collections.abc import Callable
from typing import Any, TypeAlias

import structlog
from celery import shared_task
from django.utils import timezone

from telemetry.models import TaskRun

Result: TypeAlias = dict[str, Any]

log = structlog.get_logger("workers.maintenance")


def recorded_task(name: str) -> Callable[[Callable[..., Result]], Any]:
    """Make a Celery task of a function that returns what it did, and record its runs."""

    def decorate(function: Callable[..., Result]) -> Any:
        @shared_task(name=name)
        @functools.wraps(function)
        def run(*args: Any, **kwargs: Any) -> None:
            started_at, started_s = timezone.now(), time.monotonic()
            try:
                result = function(*args, **kwargs)
            except Exception as error:
                _record(name, started_at=started_at, error_at=timezone.now(), error=repr(error))
                log.warning("task_failed", task=name, error=repr(error))
                raise
            duration_ms = round((time.monotonic() - started_s) * 1000)
            _record(
                name,
                started_at=started_at,
                success_at=timezone.now(),
                duration_ms=duration_ms,
                result=result,
            )
            if any(result.values()):
                log.info("task_done", task=name, duration_ms=duration_ms, **result)

        return run

    return decorate


def _record(name: str, **fields: Any) -> None:
    TaskRun.objects.update_or_create(name=name, defaults=fields)
