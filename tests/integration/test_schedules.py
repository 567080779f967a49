"""The admin's page of schedules: what ran, how it ended in words, what comes next, run now."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from auditlog.models import LogEntry
from django.contrib.auth import get_user_model
from django.contrib.auth.models import Permission
from django.test import Client
from django.utils import translation
from django_celery_beat.models import CrontabSchedule, IntervalSchedule, PeriodicTask

from telemetry.admin.schedules.errors import UNKNOWN, describe_error
from telemetry.admin.schedules.results import PARTS, describe_result
from telemetry.admin.schedules.rows import describe_schedule, format_duration
from telemetry.core.batch import (
    APPLY_RETENTION_TASK,
    BEAT_KEY,
    REFRESH_TASK,
    REQUEUE_TASK,
    SUMMARISE_TASK,
)
from telemetry.models import TaskRun
from telemetry.queue.batches import BatchQueue
from telemetry.queue.tasks import count_waiting
from telemetry.store.db.connection import Connection
from telemetry.store.operations.schedules import find_next, read_schedules
from workers.recording import Recorder
from workers.schedule import SCHEDULE, ensure_schedule

pytestmark = pytest.mark.integration

PAGE = "/admin/telemetry/taskrun/"
RUN_NOW = f"{PAGE}telemetry.apply_5Fretention/run-now/"
SECRET = "rows that only the database knows"


@pytest.fixture
def scheduled(queue: BatchQueue, connection: Connection) -> None:
    """The schedule of a new system, and a beat."""
    ensure_schedule()
    queue.redis.set(f"{BEAT_KEY}active", '{"at": 0}', ex=60)


def log_in(*permissions: str, **fields: Any) -> Client:
    user = get_user_model().objects.create_user("somebody", password="x", is_staff=True, **fields)
    user.user_permissions.add(*Permission.objects.filter(codename__in=permissions))
    client = Client()
    client.force_login(user)
    return client


def run_all(at: datetime) -> None:
    """As if every task had just ended well."""
    TaskRun.objects.update(started_at=at, success_at=at, duration_ms=40)
    PeriodicTask.objects.update(last_run_at=at)


def find(state: str, *, now: datetime) -> list[str]:
    return [one.task for one in read_schedules(now=now, grace_s=60) if one.state == state]


def test_it_says_how_each_schedule_ended_and_when_it_comes_next(scheduled: None) -> None:
    now = datetime.now(UTC)
    run_all(now)
    client = log_in(is_superuser=True)
    page = client.get(PAGE).content.decode()
    assert "Everything runs as planned." in page
    for entry in SCHEDULE:
        assert entry.name in page
    for words in ("every 10 seconds", "every day at 02:30 UTC", "every 5 minutes", "every day"):
        assert words in page, words

    started = {"started_at": now, "duration_ms": 61_500}
    Recorder(REFRESH_TASK).record_success({"hours": 1, "days": 2, "months": 0}, **started)
    Recorder(SUMMARISE_TASK).record_error(OSError(f"timed out: {SECRET}"), **started)
    page = client.get(PAGE).content.decode()
    assert "1 schedule needs you." in page
    assert "1 hour computed; 2 days" in page
    assert "It took longer than it may." in page
    assert SECRET not in page, "the page of the run has it"
    assert page.index("Summarise the pipeline") < page.index("Apply retention"), "what is wrong"
    assert SECRET in client.get(f"{PAGE}telemetry.summarise_5Fpipeline/change/").content.decode()
    portuguese = client.get(PAGE, headers={"Accept-Language": "pt-br"}).content.decode()
    for words in ("1 agendamento precisa de você.", "Resumir o pipeline", "a cada 10 segundos"):
        assert words in portuguese, words


def test_it_shows_what_is_disabled_overdue_or_has_no_schedule(
    queue: BatchQueue, scheduled: None
) -> None:
    now = datetime.now(UTC)
    run_all(now)
    client = log_in(is_superuser=True)
    PeriodicTask.objects.filter(task=APPLY_RETENTION_TASK).update(enabled=False)
    page = client.get(PAGE).content.decode()
    assert "Everything runs as planned; 1 schedule is disabled." in page
    assert "Disabled (built in)" in page
    PeriodicTask.objects.filter(task=REQUEUE_TASK).update(enabled=False)
    page = client.get(PAGE).content.decode()
    assert "1 schedule needs you." in page
    assert "Enable it: a batch whose task was lost is never stored." in page
    TaskRun.objects.filter(name=REFRESH_TASK).update(success_at=now - timedelta(hours=1))
    assert find("overdue", now=now) == [REFRESH_TASK]
    PeriodicTask.objects.filter(task=REFRESH_TASK).delete()
    assert find("unscheduled", now=now) == [REFRESH_TASK]
    assert client.get(PAGE).status_code == 200
    queue.redis.delete(f"{BEAT_KEY}active")
    assert "Beat does not run" in client.get(PAGE).content.decode()


def test_it_shows_an_entry_that_somebody_added(scheduled: None) -> None:
    interval = IntervalSchedule.objects.create(every=3, period="hours")
    PeriodicTask.objects.create(name="<b>ours</b>", task="x.y", interval=interval)
    page = log_in(is_superuser=True).get(PAGE).content.decode()
    assert "&lt;b&gt;ours&lt;/b&gt;" in page
    assert "every 3 hours" in page


def test_it_runs_a_task_once_for_who_was_given_that_and_writes_it_down(
    queue: BatchQueue, scheduled: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("telemetry.admin.schedules.page.app", queue._app)
    client = log_in("view_taskrun", "run_taskrun", "see_every_account")
    assert RUN_NOW in client.get(PAGE).content.decode()
    asked = client.get(RUN_NOW).content.decode()
    assert "Run “Apply retention” once, now?" in asked
    assert count_waiting(queue.redis, "maintenance") == 0, "nothing by a link"
    told = client.post(RUN_NOW, follow=True).content.decode()
    assert "“Apply retention” was sent." in told
    assert count_waiting(queue.redis, "maintenance") == 1
    [entry] = LogEntry.objects.filter(object_pk=APPLY_RETENTION_TASK)
    assert entry.actor is not None
    assert entry.actor.get_username() == "somebody"
    administrator = Client()
    administrator.force_login(get_user_model().objects.create_superuser("root", password="x"))
    assert "run by hand" in administrator.get("/admin/auditlog/logentry/").content.decode()


@pytest.mark.parametrize(
    "permissions", [(), ("view_taskrun",), ("run_taskrun",), ("view_taskrun", "run_taskrun")]
)
def test_it_runs_nothing_for_others(
    queue: BatchQueue, scheduled: None, permissions: tuple[str, ...]
) -> None:
    """The last ones are staff of single accounts, to whom no schedule belongs."""
    if permissions == ("view_taskrun",):
        client = log_in(*permissions, "see_every_account")
        assert RUN_NOW not in client.get(PAGE).content.decode()
    else:
        client = log_in(*permissions)
        assert client.get(PAGE).status_code == 403
    for reply in (client.get(RUN_NOW), client.post(RUN_NOW)):
        assert reply.status_code == 403
    assert count_waiting(queue.redis, "maintenance") == 0


def test_it_has_words_for_the_result_of_every_task(scheduled: None) -> None:
    assert set(PARTS) == {entry.task for entry in SCHEDULE}
    for task, parts in PARTS.items():
        assert describe_result(task, {}) == "There was nothing to do."
        for name in parts:
            for count in (1, 1234):
                words = describe_result(task, {name: count})
                assert "%" not in words, words
    assert describe_result(REQUEUE_TASK, {"requeued": 1234}) == "1,234 batches offered again"
    assert describe_result(REQUEUE_TASK, {"busy": 1}).startswith("Another run was active")
    assert describe_result(SUMMARISE_TASK, {"difference": -2}).startswith("-2 messages are not")
    assert describe_result("x.y", {"a": 1, "b": "c"}) == "a: 1, b: c"


def test_it_has_portuguese_for_names_and_descriptions_of_the_schedule() -> None:
    with translation.override("pt-br"):
        for entry in SCHEDULE:
            for text in (entry.name, entry.description):
                assert translation.gettext(text) != text, text


@pytest.mark.parametrize(
    ("error", "start"),
    [
        ("OperationalError('connection to server at \"10.0.0.1\" failed')", "The database did not"),
        ("ConnectionError('Error 111 connecting to localhost:6380. Connection refused.')", "Redis"),
        ("OperationalError('Error 111 connecting to redis:6379')", "Redis"),
        ("DiskFull('could not extend file \"base/1\": No space left on device')", "A disk"),
        ("SMTPServerDisconnected('Connection unexpectedly closed')", "The mail server"),
        ("QueryCanceled('canceling statement due to statement timeout')", "A statement"),
        ("DeadlockDetected('deadlock detected')", "Two transactions"),
        ("NotRegistered('x')", "No worker knows"),
        ("UndefinedColumn('column \"x\" does not exist')", "The database is not of this release"),
        ("InsufficientPrivilege('permission denied for table reading')", "A right is missing"),
        ("KeyError('x')", UNKNOWN),
    ],
)
def test_it_says_in_words_what_an_error_means(error: str, start: str) -> None:
    assert describe_error(error).startswith(start)


def test_it_reckons_when_a_schedule_comes_next(scheduled: None) -> None:
    now = datetime(2026, 11, 3, 14, 32, tzinfo=UTC)
    tenth = PeriodicTask.objects.get(task=REQUEUE_TASK)
    began = datetime.now(UTC)
    tenth.last_run_at = began - timedelta(seconds=4)
    at = find_next(tenth, None, now=datetime.now(UTC))
    assert at is not None
    slack = datetime.now(UTC) - began + timedelta(seconds=1)
    assert abs(at - began - timedelta(seconds=6)) <= slack
    never = CrontabSchedule.objects.create(
        hour="1", minute="0", day_of_month="30", month_of_year="2"
    )
    entry = PeriodicTask.objects.create(name="never", task="x", crontab=never)
    assert find_next(entry, None, now=now) is None
    assert describe_schedule(entry)


@pytest.mark.parametrize(
    ("ms", "text"), [(0, "0 ms"), (999, "999 ms"), (1_500, "1.5 s"), (61_000, "1 min 1 s")]
)
def test_it_shows_durations_shortly(ms: int, text: str) -> None:
    assert format_duration(ms).replace("\u00a0", " ") == text
