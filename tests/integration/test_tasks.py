"""Scheduled tasks: their schedule, their history, the alarm on an old success, the button."""

import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from types import SimpleNamespace
from typing import Any

import pytest
from celery.exceptions import NotRegistered
from django.contrib.auth import get_user_model
from django.db import OperationalError
from django.test import Client
from django_celery_beat.models import ClockedSchedule, CrontabSchedule, PeriodicTask

from config.celery import app
from config.env import read_options
from config.options import MaintenanceOptions, QueueOptions, RetentionOptions
from telemetry.core.batch import VERIFY_TASK
from telemetry.core.consumption import Meter, Value
from telemetry.models import TaskHistory, TaskRun
from telemetry.queue.batches import BatchQueue
from telemetry.queue.statuses import OFFLINE_KEY, ONLINE_KEY, note_statuses
from telemetry.queue.tasks import count_waiting
from telemetry.store.db.connection import Connection, open_connection
from telemetry.store.db.locks import Lock, wait_for_lock
from telemetry.store.operations.housekeeping import purge_task_history
from telemetry.store.operations.pipeline_status import (
    TaskAge,
    find_overdue,
)
from telemetry.store.operations.task_ages import read_task_ages
from tests.consumption import put, register
from tests.integration.test_chains import take_task
from tests.integration.workers.conftest import add_gateways
from tests.status import read_test_status
from workers.maintenance import (
    apply_retention,
    mark_offline_gateways,
    purge_ledger,
    refresh_aggregates,
)
from workers.recording import Recorder
from workers.schedule import SCHEDULE, ensure_schedule

pytestmark = pytest.mark.integration

AT = datetime(2026, 11, 25, 12, tzinfo=UTC)


def record(recorder: Recorder, result: dict[str, Any]) -> None:
    recorder.record_success(result, started_at=AT, duration_ms=5)


@pytest.fixture
def scheduled(connection: Connection) -> Connection:
    """A system that beat has started once."""
    ensure_schedule()
    return connection


def test_it_creates_the_schedule_once_and_leaves_what_was_changed(connection: Connection) -> None:
    assert ensure_schedule() == len(SCHEDULE)
    nightly = PeriodicTask.objects.get(task="telemetry.verify_aggregates")
    assert (nightly.crontab.hour, nightly.crontab.minute) == ("3", "30")
    assert str(nightly.crontab.timezone) == "UTC"
    assert nightly.queue == "maintenance"
    nightly.crontab = CrontabSchedule.objects.create(hour="5", minute="0", timezone="UTC")
    nightly.save()
    assert ensure_schedule() == 0
    nightly.refresh_from_db()
    assert nightly.crontab.hour == "5"
    assert CrontabSchedule.objects.filter(hour="3", minute="30").count() == 1


@pytest.mark.parametrize(
    ("result", "is_frequent", "expected"),
    [
        pytest.param({"done": 3, "seen": 9}, True, ("success", 3), id="work of a frequent task"),
        pytest.param({"done": 0, "seen": 9}, True, None, id="an idle run of a frequent task"),
        pytest.param({"done": 0, "seen": 9}, False, ("success", 0), id="an idle nightly run"),
        pytest.param({"busy": 1}, True, ("busy", 0), id="another was at work"),
    ],
)
def test_it_keeps_runs_that_tell_something(
    connection: Connection, result: dict[str, int], is_frequent: bool, expected: Any
) -> None:
    record(Recorder("telemetry.x", "done", is_frequent), result)
    found = TaskHistory.objects.values_list("outcome", "rows").first()
    assert found == expected
    run = TaskRun.objects.get()
    kept = {} if result.get("busy") else result  # it found nothing out
    assert (run.started_at, run.result) == (AT, kept)
    assert (run.success_at is None) == ("busy" in result), "a busy run is no success"


def test_it_keeps_the_error_of_a_run_and_its_last_success(connection: Connection) -> None:
    recorder = Recorder("telemetry.x", is_frequent=True)
    record(recorder, {"done": 1})
    recorder.record_error(ValueError("x" * 9_000), started_at=AT, duration_ms=7)
    run = TaskRun.objects.get()
    assert run.success_at is not None
    assert run.error.startswith("ValueError('xxx")
    newest = TaskHistory.objects.order_by("-id")[0]
    assert (newest.outcome, newest.duration_ms, len(newest.error)) == ("error", 7, 4_000)


def test_it_forgets_old_runs_and_those_beyond_the_number(
    connection: Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("telemetry.store.operations.housekeeping.RUNS_A_TASK", 3)
    now = datetime.now(UTC)
    for task, age_days in [("a", 0), ("a", 1), ("a", 2), ("a", 3), ("b", 89), ("b", 91)]:
        started_at = now - timedelta(days=age_days)
        TaskHistory.objects.create(
            task=task, started_at=started_at, duration_ms=1, outcome="success"
        )
    assert purge_task_history(connection, keep_days=90) == 2
    left = TaskHistory.objects.order_by("task", "-started_at")
    assert [(run.task, (now - run.started_at).days) for run in left] == [
        ("a", 0), ("a", 1), ("a", 2), ("b", 89),
    ]  # fmt: skip


def test_it_records_what_the_tasks_really_do(
    queue: BatchQueue, connection: Connection, database_url: str
) -> None:
    apply_retention()
    purge_ledger()
    refresh_aggregates()
    with open_connection(database_url, name="other", statement_timeout_s=10) as other:
        assert wait_for_lock(other, Lock.REFRESH)
        refresh_aggregates()
    outcomes = TaskHistory.objects.order_by("id").values_list("task", "outcome")
    assert list(outcomes) == [
        ("telemetry.apply_retention", "success"),
        ("telemetry.purge_ledger", "success"),
        ("telemetry.refresh_aggregates", "busy"),
    ]


def test_it_works_off_a_long_list_in_turns(
    queue: BatchQueue, connection: Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    options = MaintenanceOptions(read_options(QueueOptions), RetentionOptions(400, 440, 0, 0))
    monkeypatch.setattr("workers.maintenance._options", lambda: options)
    monkeypatch.setattr("workers.maintenance.app", queue._app)
    site = register(connection, Meter("delta"))
    now = datetime.now(UTC)
    put(connection, [(site, Value(now - timedelta(days=age), Decimal(1))) for age in (480, 460)])
    refresh_aggregates()
    monkeypatch.setattr("workers.maintenance.RETENTION_TURN_S", -1.0)
    apply_retention()
    assert TaskRun.objects.get(name="telemetry.apply_retention").result["left"] == 2
    assert count_waiting(queue.redis, "maintenance") == 1
    monkeypatch.setattr("workers.maintenance.RETENTION_TURN_S", 30.0)
    apply_retention(**take_task(queue).kwargs)
    last = TaskHistory.objects.filter(task="telemetry.apply_retention").first()
    assert last is not None
    assert (last.rows, last.result["chunks"], last.result["left"]) == (2, 2, 0)
    assert count_waiting(queue.redis, "maintenance") == 0, "nothing is left for another turn"


def test_it_marks_offline_whose_connection_broke_a_minute_ago_and_online_who_says_so(
    queue: BatchQueue, connection: Connection, fleet: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = time.time()
    one, two = add_gateways(connection, range(2))
    connection.execute(
        "UPDATE gateway SET is_online = (mac = %s), last_seen = to_timestamp(%s)", [one, now - 90]
    )
    connection.commit()
    bridge = SimpleNamespace(state="ready", at=now)
    monkeypatch.setattr("workers.maintenance.read_bridges", lambda _: [bridge])

    def read_online() -> list[str]:
        mark_offline_gateways()
        query = "SELECT mac FROM gateway WHERE is_online ORDER BY mac"
        return [mac for (mac,) in connection.execute(query).fetchall()]

    note_statuses(queue.redis, {one: False}, now_s=now - 50)
    assert read_online() == [one]  # it may come back
    note_statuses(queue.redis, {one: False}, now_s=now - 61)
    note_statuses(queue.redis, {two: True}, now_s=now - 1)
    assert read_online() == [two]
    assert queue.redis.exists(ONLINE_KEY, OFFLINE_KEY) == 0


def test_it_alarms_when_two_runs_in_a_row_are_missed(
    queue: BatchQueue, scheduled: Connection
) -> None:
    assert read_test_status(queue, read_tasks=read_task_ages).problems[1:] == [], (
        "fresh: nothing is overdue"
    )
    now = datetime.now(UTC)
    TaskRun.objects.update(success_at=now - timedelta(minutes=14))
    assert read_test_status(queue, read_tasks=read_task_ages).problems[1:] == []
    TaskRun.objects.update(success_at=now - timedelta(minutes=20), error="Boom\nat", error_at=now)
    late = read_test_status(queue, read_tasks=read_task_ages).problems[1:]
    frequent = sorted(entry.task for entry in SCHEDULE if entry.at.seconds <= 60)
    assert [problem.split()[1] for problem in late] == frequent
    assert all(problem.endswith("; its last error: Boom") for problem in late)
    TaskRun.objects.update(success_at=now - timedelta(days=3))
    assert len(read_test_status(queue, read_tasks=read_task_ages).problems[1:]) == len(SCHEDULE)
    PeriodicTask.objects.update(enabled=False)
    [disabled] = read_test_status(queue, read_tasks=read_task_ages).problems[1:]
    assert disabled.startswith("task telemetry.requeue_stale_batches is disabled")


def test_it_counts_one_run_of_a_day_as_one(scheduled: Connection) -> None:
    """Right after it was missed the second one is due a day later, at every time of the day."""
    now = datetime.now(UTC)
    at = now - timedelta(minutes=5)
    crontab = CrontabSchedule.objects.create(hour=at.hour, minute=at.minute, timezone="UTC")
    PeriodicTask.objects.filter(task=VERIFY_TASK).update(crontab=crontab)
    TaskRun.objects.update(success_at=now - timedelta(minutes=20))
    [age] = [age for age in read_task_ages() if age.name == VERIFY_TASK]
    assert age.overdue_s < -80_000


@pytest.mark.parametrize(
    "change",
    [
        pytest.param(lambda entry: entry.delete(), id="deleted"),
        pytest.param(lambda entry: entry.update(one_off=True), id="one-off"),
        pytest.param(
            lambda entry: entry.update(
                interval=None,
                clocked=ClockedSchedule.objects.create(
                    clocked_time=datetime(2026, 1, 1, tzinfo=UTC)
                ),
            ),
            id="at one time",
        ),
        pytest.param(
            lambda entry: entry.update(
                interval=None,
                crontab=CrontabSchedule.objects.create(day_of_month="30", month_of_year="2"),
            ),
            id="on a day that never comes",
        ),
    ],
)
def test_it_alarms_when_a_needed_task_has_no_schedule(
    queue: BatchQueue, scheduled: Connection, change: Callable[[Any], object]
) -> None:
    change(PeriodicTask.objects.filter(task="telemetry.requeue_stale_batches"))
    [problem] = read_test_status(queue, read_tasks=read_task_ages).problems[1:]
    assert problem.startswith("task telemetry.requeue_stale_batches has no schedule: a batch")


def test_it_alarms_when_a_task_never_succeeded(scheduled: Connection) -> None:
    TaskRun.objects.update(created_at=datetime.now(UTC) - timedelta(days=3))
    ages = read_task_ages()
    assert {age.success_age_s for age in ages} == {None}
    assert len(find_overdue(ages, grace_s=900)) == len(SCHEDULE)
    assert "has not succeeded ever" in find_overdue(ages, grace_s=900)[0]


def test_it_says_that_the_database_is_away_when_it_asks_for_tasks(queue: BatchQueue) -> None:
    def fail() -> list[TaskAge]:
        raise OperationalError

    problems = read_test_status(queue, read_tasks=fail).problems
    assert problems[-1] == "the database does not answer: how tasks ran is unknown"


def log_in(**fields: Any) -> Client:
    user = get_user_model().objects.create_user("somebody", password="x", is_staff=True, **fields)
    client = Client()
    client.force_login(user)
    return client


def test_it_filters_the_history_by_task_and_outcome(
    queue: BatchQueue, scheduled: Connection
) -> None:
    client = log_in(is_superuser=True)
    record(Recorder("telemetry.apply_retention"), {"chunks": 3})
    Recorder("telemetry.refresh_aggregates").record_error(
        NotRegistered("x"), started_at=AT, duration_ms=1
    )
    address = "/admin/telemetry/taskhistory/"
    for query, count in [
        ("", 2),
        ("?task=telemetry.apply_retention", 1),
        ("?outcome__exact=error", 1),
        ("?task=telemetry.apply_retention&outcome__exact=error", 0),
    ]:
        reply = client.get(address + query)
        assert len(reply.context["cl"].result_list) == count, query


def test_it_knows_every_task_of_its_schedule() -> None:
    app.loader.import_default_modules()
    assert {entry.task for entry in SCHEDULE} <= set(app.tasks)
