"""Beat: clocks that jump, and entries that were switched off."""

import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.contrib.auth import get_user_model
from django.test import Client
from django_celery_beat.models import PeriodicTask
from structlog.testing import capture_logs

from telemetry.core.batch import REQUEUE_TASK
from telemetry.models import TaskRun
from telemetry.queue.batches import BatchQueue
from telemetry.store.db.connection import Connection
from telemetry.store.operations.task_ages import read_task_ages
from tests.status import read_test_status
from workers.beat import LockedScheduler
from workers.schedule import ensure_schedule

pytestmark = pytest.mark.integration

AHEAD = timedelta(hours=5)
Start = Callable[[], LockedScheduler]


@pytest.fixture
def start(
    queue: BatchQueue, connection: Connection, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Start]:
    """Starts beat; what it sends is kept in `sent`. The lock goes when the next one starts."""
    begun: list[LockedScheduler] = []

    def begin() -> LockedScheduler:
        end(begun)
        scheduler = LockedScheduler(queue._app)
        scheduler.sent = []
        monkeypatch.setattr(
            scheduler, "apply_entry", lambda entry, **_: scheduler.sent.append(entry.task)
        )
        begun.append(scheduler)
        return scheduler

    ensure_schedule()
    yield begin
    end(begun)


def end(begun: list[LockedScheduler]) -> None:
    for scheduler in begun:
        scheduler.sync()
        if scheduler._lock._connection is not None:
            scheduler._lock._connection.close()
    begun.clear()


def tick(scheduler: Any) -> set[str]:
    """Tick until nothing is due; what was sent."""
    scheduler.sent.clear()
    for _ in range(50):
        if scheduler.tick() > 0:
            break
    return set(scheduler.sent)


def set_interval_entries(last_run_at: datetime) -> None:
    PeriodicTask.objects.filter(interval__isnull=False).update(last_run_at=last_run_at)


def test_it_takes_a_run_of_the_future_as_now_and_notes_it_once(start: Start) -> None:
    set_interval_entries(datetime.now(UTC) + AHEAD)
    with capture_logs() as logs:
        assert tick(start()) == set()
        first = [line for line in logs if line["event"] == "future_run_taken_as_now"]
        assert {line["entry"] for line in first} == set(
            PeriodicTask.objects.filter(interval__isnull=False).values_list("name", flat=True)
        )
        restarted = start()
        tick(restarted)
        assert [line for line in logs if line["event"] == "future_run_taken_as_now"] == first
    assert not PeriodicTask.objects.filter(last_run_at__gt=datetime.now(UTC)).exists()
    # An interval later, whichever beat runs then.
    set_interval_entries(PeriodicTask.objects.get(task=REQUEUE_TASK).last_run_at - timedelta(0, 11))
    assert REQUEUE_TASK in tick(start())


def test_it_goes_on_when_the_clock_jumps_back_under_it(start: Start) -> None:
    set_interval_entries(datetime.now(UTC) - timedelta(days=2))
    scheduler: Any = start()
    assert REQUEUE_TASK in tick(scheduler)
    # What it is like after the jump: all that it noted lies ahead, when things are due as well.
    scheduler._ticked_at = time.time() + AHEAD.total_seconds()
    for event in scheduler._heap:
        event.entry.last_run_at += AHEAD
        event.entry.model.last_run_at = event.entry.last_run_at
        scheduler._schedule[event.entry.name] = event.entry
        scheduler._dirty.add(event.entry.name)
    scheduler._heap = [event._replace(time=event.time + AHEAD.seconds) for event in scheduler._heap]
    with capture_logs() as logs:
        assert tick(scheduler) == set(), "taken as run now"
    assert "clock_jumped_back" in {line["event"] for line in logs}
    first = scheduler._heap[0]
    assert first.entry.task in (REQUEUE_TASK, "telemetry.mark_offline_gateways")
    assert first.time <= time.time() + 10


def test_it_is_overdue_although_its_last_success_lies_in_the_future(
    start: Start, queue: BatchQueue
) -> None:
    TaskRun.objects.update(success_at=datetime.now(UTC) + AHEAD)
    tick(start())
    [run] = TaskRun.objects.filter(name=REQUEUE_TASK)
    assert run.success_at is not None
    assert run.success_at <= datetime.now(UTC)


def test_it_is_ill_when_the_task_that_the_books_depend_on_is_disabled(
    queue: BatchQueue, start: Start
) -> None:
    PeriodicTask.objects.filter(task__in=[REQUEUE_TASK, "telemetry.apply_retention"]).update(
        enabled=False
    )
    status = read_test_status(queue, read_tasks=read_task_ages)
    [problem] = [text for text in status.problems if "disabled" in text]
    assert problem.startswith(f"task {REQUEUE_TASK} is disabled: a batch whose task was lost")
    assert status.notes == ["task telemetry.apply_retention is disabled"]
    PeriodicTask.objects.create(
        name="ours",
        task=REQUEUE_TASK,
        interval=PeriodicTask.objects.get(task=REQUEUE_TASK).interval,
    )
    problems = read_test_status(queue, read_tasks=read_task_ages).problems
    assert not [text for text in problems if "disabled" in text], "another entry does it"


def test_it_shows_a_disabled_task_among_the_runs(queue: BatchQueue, start: Start) -> None:
    PeriodicTask.objects.filter(task=REQUEUE_TASK).update(enabled=False)
    client = Client()
    client.force_login(get_user_model().objects.create_superuser("root", password="x"))
    page = client.get("/admin/telemetry/taskrun/").content.decode()
    assert page.count("Disabled") == 1
