"""Tasks in turns: one that finds another at work goes on later, and a chain stays single."""

import base64
import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple

import pytest

from config.env import read_options
from config.options import MaintenanceOptions, QueueOptions, RetentionOptions
from telemetry.core.batch import APPLY_RETENTION_TASK, VERIFY_TASK
from telemetry.models import TaskHistory, TaskRun
from telemetry.queue.batches import BatchQueue
from telemetry.queue.tasks import count_waiting
from telemetry.store.db.connection import Connection, open_connection
from telemetry.store.db.locks import Lock, unlock, wait_for_lock
from tests.integration.store.test_verification import Site, sites  # noqa: F401 - a fixture
from workers.maintenance import apply_retention, verify_aggregates

pytestmark = pytest.mark.integration


class Sent(NamedTuple):
    """A task as it lies in the queue."""

    name: str
    kwargs: dict[str, Any]
    eta: datetime | None


def take_task(queue: BatchQueue) -> Sent:
    """Take the only task that waits."""
    assert count_waiting(queue.redis, "maintenance") == 1
    message = json.loads(queue.redis.rpop("maintenance"))
    headers = message["headers"]
    eta = headers["eta"]
    _, kwargs, _ = json.loads(base64.b64decode(message["body"]))
    return Sent(headers["task"], kwargs, datetime.fromisoformat(eta) if eta else None)


@pytest.fixture
def turns(queue: BatchQueue, connection: Connection, monkeypatch: pytest.MonkeyPatch) -> BatchQueue:
    """Tasks that do one slice a turn, and send the next turn to the queue of the test."""
    options = MaintenanceOptions(read_options(QueueOptions), RetentionOptions(400, 440, 0, 0))
    monkeypatch.setattr("workers.maintenance._options", lambda: options)
    monkeypatch.setattr("workers.maintenance.app", queue._app)
    monkeypatch.setattr("workers.maintenance.VERIFY_TURN_S", 0.0)
    connection.execute("SET lock_timeout = '100ms'")
    return queue


@pytest.fixture
def other(database_url: str, connection: Connection) -> Iterator[Connection]:
    """Somebody else at work."""
    with open_connection(database_url, name="other", statement_timeout_s=10) as opened:
        yield opened


@pytest.mark.usefixtures("sites")
def test_it_goes_on_with_the_verification_later_when_another_is_at_work(
    turns: BatchQueue, other: Connection
) -> None:
    verify_aggregates()
    first = take_task(turns)
    assert first.kwargs["so_far"]["next_slice"] is not None
    assert wait_for_lock(other, Lock.VERIFY)
    verify_aggregates(**first.kwargs)
    again = take_task(turns)
    assert again.kwargs["so_far"] == first.kwargs["so_far"]
    assert again.eta is not None
    assert again.eta - datetime.now(UTC) <= timedelta(seconds=60)
    unlock(other, Lock.VERIFY)
    sent, count = again, 1
    while True:
        verify_aggregates(**sent.kwargs)
        if not count_waiting(turns.redis, "maintenance"):
            break
        sent, count = take_task(turns), count + 1
    assert count > 3
    result = TaskRun.objects.get(name=VERIFY_TASK).result
    assert (result["next_slice"], result["differences"]) == (None, 0)


def test_it_drops_what_is_old_later_when_a_refresh_is_under_way(
    turns: BatchQueue, other: Connection, monkeypatch: pytest.MonkeyPatch, database_url: str
) -> None:
    def connect() -> Connection:
        opened = open_connection(database_url, name="test", statement_timeout_s=10)
        opened.execute("SET lock_timeout = '100ms'")
        return opened

    monkeypatch.setattr("workers.maintenance._connect", connect)
    assert wait_for_lock(other, Lock.REFRESH)
    apply_retention()
    sent = take_task(turns)
    assert (sent.name, sent.eta is None) == (APPLY_RETENTION_TASK, False)
    delays = [sent.eta]
    for _ in range(8):
        apply_retention(**sent.kwargs)
        sent = take_task(turns)
        delays.append(sent.eta)
    assert sent.eta is not None
    assert 50 < (sent.eta - datetime.now(UTC)).total_seconds() <= 60, "longer, but not for ever"
    unlock(other, Lock.REFRESH)
    apply_retention(**sent.kwargs)
    assert count_waiting(turns.redis, "maintenance") == 0
    assert TaskRun.objects.get(name=APPLY_RETENTION_TASK).success_at is not None


def test_it_does_not_take_the_evaluation_of_alarms_for_another_verification(
    turns: BatchQueue, other: Connection
) -> None:
    assert wait_for_lock(other, Lock.ALARMS)
    verify_aggregates()
    assert TaskHistory.objects.get(task=VERIFY_TASK).outcome == "success"


@pytest.mark.usefixtures("sites")
def test_it_keeps_to_one_chain_when_a_turn_is_delivered_twice(
    turns: BatchQueue, other: Connection
) -> None:
    verify_aggregates()
    twice = take_task(turns)
    assert wait_for_lock(other, Lock.VERIFY)  # as long as the first delivery is at work
    verify_aggregates(**twice.kwargs)
    late = take_task(turns)
    unlock(other, Lock.VERIFY)
    verify_aggregates(**twice.kwargs)
    following = take_task(turns)
    verify_aggregates(**late.kwargs)
    assert count_waiting(turns.redis, "maintenance") == 0, "it was overtaken"
    verify_aggregates()
    assert count_waiting(turns.redis, "maintenance") == 0, "a chain is under way"
    verify_aggregates(**following.kwargs)
    assert take_task(turns).kwargs["turn"]["number"] == 3
    outcomes = TaskHistory.objects.order_by("id").values_list("outcome", flat=True)
    assert list(outcomes) == ["success", "busy", "success", "busy", "busy", "success"]


@pytest.mark.usefixtures("sites")
def test_it_begins_anew_when_a_chain_broke_off(turns: BatchQueue) -> None:
    verify_aggregates()
    lost = take_task(turns)
    TaskRun.objects.update(success_at=datetime.now(UTC) - timedelta(hours=1))
    verify_aggregates()
    assert take_task(turns).kwargs["turn"]["begun"] > lost.kwargs["turn"]["begun"]
    verify_aggregates(**lost.kwargs)
    assert count_waiting(turns.redis, "maintenance") == 0, "found after all: it was overtaken"


def test_it_is_not_overtaken_by_a_chain_of_the_future(turns: BatchQueue, other: Connection) -> None:
    turn = {"begun": "2999-01-01T00:00:00+00:00", "number": 9, "waits": 0, "is_last": False}
    at = datetime.now(UTC) + timedelta(hours=5)
    TaskRun.objects.create(name=VERIFY_TASK, success_at=at, result={"turn": turn})
    assert wait_for_lock(other, Lock.VERIFY)
    verify_aggregates()
    sent = take_task(turns)
    unlock(other, Lock.VERIFY)
    verify_aggregates(**sent.kwargs)
    assert (
        TaskRun.objects.get(name=VERIFY_TASK).result["turn"]["begun"]
        == sent.kwargs["turn"]["begun"]
    )


@pytest.mark.usefixtures("sites")
def test_it_knows_a_turn_that_was_done_when_its_chain_began_before_a_clock_jumped_back(
    turns: BatchQueue,
) -> None:
    turn = {"begun": "2999-01-01T00:00:00+00:00", "number": 3, "waits": 0, "is_last": False}
    TaskRun.objects.create(name=VERIFY_TASK, success_at=datetime.now(UTC), result={"turn": turn})
    verify_aggregates(turn=turn)
    assert count_waiting(turns.redis, "maintenance") == 0, "it was overtaken"
    verify_aggregates(turn={**turn, "number": 4})
    assert take_task(turns).kwargs["turn"]["number"] == 5


@pytest.mark.usefixtures("turns")
def test_it_gives_up_after_a_day_of_waiting(queue: BatchQueue, other: Connection) -> None:
    assert wait_for_lock(other, Lock.VERIFY)
    turn = {"begun": "2026-11-28T03:30:00+00:00", "number": 0, "waits": 1_200}
    verify_aggregates(turn=turn)
    assert count_waiting(queue.redis, "maintenance") == 0
