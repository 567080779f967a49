"""How long ago the scheduled tasks succeeded: a task that is never sent raises no error."""

from datetime import datetime, timedelta
from typing import Any

from django.utils import timezone
from django_celery_beat.models import PeriodicTask

from telemetry.models import TaskHistory, TaskRun
from telemetry.store.operations.pipeline_status import NEEDED_TASKS, TaskAge

MARGIN = timedelta(seconds=1)
"""A schedule reckons with a clock of its own, read a moment later: what is due at 03:30 seems due a
little before, and from there the next run would be the same one."""


def read_task_ages() -> list[TaskAge]:
    """Every task with an interval or a time of the clock; of ours also those that are disabled, and
    of those that are needed also those without a schedule. Raises `DatabaseError`."""
    now = timezone.now()
    runs = {run.name: run for run in TaskRun.objects.all()}
    scheduled = PeriodicTask.objects.filter(one_off=False)
    ages: dict[str, TaskAge] = {}
    enabled = scheduled.filter(enabled=True)
    for entry in enabled.select_related("interval", "crontab").order_by("task"):
        run = runs.get(entry.task)
        if run is None or not (entry.interval_id or entry.crontab_id):
            continue
        try:
            age = _find_age(run, entry.schedule, now)
        except ValueError:  # a day that never comes, like February 30
            continue
        if entry.task not in ages or age.overdue_s > ages[entry.task].overdue_s:
            ages[entry.task] = age
    # Beat knows our tasks, and others only by their entries.
    disabled = scheduled.filter(enabled=False, task__in=runs.keys() - ages.keys())
    for task in sorted(set(disabled.values_list("task", flat=True))):
        ages[task] = _find_idle(runs[task], now, is_disabled=True)
    for task in sorted(NEEDED_TASKS.keys() & runs.keys() - ages.keys()):
        ages[task] = _find_idle(runs[task], now, has_schedule=False)
    return list(ages.values())


def _find_idle(
    run: TaskRun, now: datetime, *, is_disabled: bool = False, has_schedule: bool = True
) -> TaskAge:
    """Its last findings count until the next run."""
    return TaskAge(
        run.name,
        _count_age_s(run, now),
        0.0,
        differences=_count_differences(run),
        problems=_list_problems(run),
        is_disabled=is_disabled,
        has_schedule=has_schedule,
    )


def _find_age(run: TaskRun, schedule: Any, now: datetime) -> TaskAge:
    since = run.success_at or run.created_at
    due_at = now
    for _ in range(2):
        due_at = now + schedule.remaining_estimate(since)
        since = due_at + MARGIN
    is_failing = run.error_at is not None and run.error_at > (run.success_at or run.created_at)
    return TaskAge(
        run.name,
        _count_age_s(run, now),
        round((now - due_at).total_seconds(), 1),
        run.error if is_failing else "",
        _count_differences(run),
        _list_problems(run),
    )


def _count_age_s(run: TaskRun, now: datetime) -> float | None:
    return round((now - run.success_at).total_seconds(), 1) if run.success_at else None


def _list_problems(run: TaskRun) -> list[str]:
    return [str(problem) for problem in run.result.get("problems", ())]


def _count_differences(run: TaskRun) -> int:
    """Differences that a verification found. While one runs, those of the last whole one count."""
    found = int(run.result.get("differences", 0))
    if run.result.get("next_slice") is None:
        return found
    whole = TaskHistory.objects.filter(
        task=run.name, outcome=TaskHistory.Outcome.SUCCESS, result__next_slice=None
    ).first()
    return max(found, int(whole.result.get("differences", 0)) if whole else 0)
