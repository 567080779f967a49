"""The schedules: what beat sends and when, how it ended last, when it comes next."""

from datetime import datetime, timedelta
from typing import Any

from django_celery_beat.models import PeriodicTask
from msgspec import Struct

from telemetry.models import TaskRun
from telemetry.store.operations.pipeline_status import NEEDED_TASKS, TaskAge
from telemetry.store.operations.task_ages import read_task_ages

FAILING, OVERDUE, DISABLED, UNSCHEDULED, NEW, OK = (
    "failing", "overdue", "disabled", "unscheduled", "new", "ok",
)  # fmt: skip
GRAVITY = {FAILING: 0, OVERDUE: 1, UNSCHEDULED: 2, DISABLED: 3, NEW: 4, OK: 5}
"""Which come first."""


class Schedule(Struct, frozen=True):
    """An entry of beat, or a task of ours without one (`entry` is None). `run` is None where runs
    are not recorded. `next_at`: None where nothing is due."""

    entry: Any
    run: TaskRun | None
    state: str
    is_needed: bool
    next_at: datetime | None

    @property
    def task(self) -> str:
        """The name of the Celery task."""
        return str(self.entry.task if self.entry is not None else self.run.name)  # type: ignore[union-attr]

    @property
    def is_wrong(self) -> bool:
        """Whether somebody must do something."""
        return self.state in (FAILING, OVERDUE) or (
            self.is_needed and self.state in (DISABLED, UNSCHEDULED)
        )


def read_schedules(*, now: datetime, grace_s: float) -> list[Schedule]:
    """All of them, those that are wrong first. `grace_s`: how late a run may be. Raises
    `DatabaseError`."""
    runs = {run.name: run for run in TaskRun.objects.all()}
    ages = {age.name: age for age in read_task_ages()}
    entries = PeriodicTask.objects.select_related("interval", "crontab", "solar", "clocked")
    found = [
        _classify(entry, runs.get(entry.task), ages.get(entry.task), now=now, grace_s=grace_s)
        for entry in entries
    ]
    scheduled = {entry.task for entry in entries}
    found += [
        Schedule(None, run, UNSCHEDULED, name in NEEDED_TASKS, None)
        for name, run in runs.items()
        if name not in scheduled
    ]
    return sorted(found, key=lambda one: (not one.is_wrong, GRAVITY[one.state], str(one.entry)))


def _classify(
    entry: PeriodicTask, run: TaskRun | None, age: TaskAge | None, *, now: datetime, grace_s: float
) -> Schedule:
    # Of a task that another entry sends, a disabled one stops nothing.
    is_needed = entry.task in NEEDED_TASKS and (age is None or age.is_disabled)
    if not entry.enabled:
        return Schedule(entry, run, DISABLED, is_needed, None)
    next_at = find_next(entry, run, now=now)
    if run is not None and is_failing(run):
        state = FAILING
    elif age is not None and age.overdue_s > grace_s:
        state = OVERDUE
    elif run is None or run.started_at is None:
        state = NEW
    else:
        state = OK
    return Schedule(entry, run, state, entry.task in NEEDED_TASKS, next_at)


def is_failing(run: TaskRun) -> bool:
    """Whether its newest end was an error."""
    return run.error_at is not None and (run.success_at is None or run.error_at > run.success_at)


def find_next(entry: PeriodicTask, run: TaskRun | None, *, now: datetime) -> datetime | None:
    """When beat sends it next; None for what never comes again.

    Beat writes down what it sent every few minutes only, so a run that is recorded counts, too.
    """
    known = [entry.last_run_at, run.started_at if run else None]
    last = max((at for at in known if at is not None), default=entry.date_changed)
    try:
        left: timedelta = entry.schedule.remaining_estimate(last)
    except (ValueError, AttributeError):  # a day that never comes; no schedule at all
        return None
    if left is None:
        return None
    at = now + left + timedelta(microseconds=999_999)  # a schedule reckons with a clock of its own
    return at.replace(microsecond=0)
