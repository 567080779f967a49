"""Replays give way to live messages: above the marks of the bridges they send nothing."""

from typing import Any

import pytest
from django.contrib.messages import get_messages
from django.core.management import call_command
from django.test import Client
from redis.exceptions import OutOfMemoryError

from telemetry.dead_letters import replay as replay_module
from telemetry.dead_letters.replay import Replay, replay_dead_letters
from telemetry.imports import feed as feed_module
from telemetry.models import DeadLetter, User
from telemetry.queue.batches import BatchQueue
from telemetry.queue.levels import Levels, read_levels
from telemetry.store.db.connection import Connection
from tests.integration.test_commands import store
from tests.messages import make_message
from workers.maintenance import replay_waiting

pytestmark = pytest.mark.integration

FULL, ROOM = Levels(0, 107.0), Levels(0, 10.0)


@pytest.fixture
def dead_letters(queue: BatchQueue, connection: Connection, fleet: None) -> None:
    """Three dead letters."""
    store(connection, *(make_message(code=f"X{number}") for number in range(3)))


@pytest.fixture
def levels(monkeypatch: pytest.MonkeyPatch) -> list[Levels]:
    """What looks at the queue see, one after the other; the last for ever."""
    seen = [ROOM]
    monkeypatch.setattr(
        replay_module, "read_levels", lambda _: seen.pop(0) if len(seen) > 1 else seen[0]
    )
    return seen


def count_pending() -> int:
    return DeadLetter.objects.filter(state=DeadLetter.State.PENDING).count()


@pytest.mark.usefixtures("dead_letters")
def test_it_stops_between_batches_when_the_queue_is_full_and_goes_on_later(
    queue: BatchQueue, levels: list[Levels], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(replay_module, "BATCH_SIZE", 2)
    levels[:] = [ROOM, FULL]
    said = "Redis is 107% full, the mark is 70%"
    assert replay_dead_letters(DeadLetter.objects.all()) == Replay(2, said)
    assert count_pending() == 1
    assert replay_dead_letters(DeadLetter.objects.all()) == Replay(0, said)
    levels[:] = [ROOM]
    assert replay_dead_letters(DeadLetter.objects.all()) == Replay(1)
    assert [batch.messages_count for batch in queue.snapshot().pending] == [2, 1]


@pytest.mark.usefixtures("dead_letters")
def test_it_stops_at_the_low_marks_so_that_a_paused_bridge_goes_on_first(
    levels: list[Levels], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("BRIDGE_PENDING_LOW", "10")
    levels[:] = [Levels(11, 0.0)]
    done = replay_dead_letters(DeadLetter.objects.all())
    assert done == Replay(0, "11 messages pending, the mark is 10")


@pytest.mark.usefixtures("dead_letters")
def test_it_waits_as_a_command_and_sends_all_when_there_is_room(
    levels: list[Levels], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("telemetry.management.commands.replay_dead_letters.LOOK_EVERY_S", 0)
    levels[:] = [FULL, FULL, FULL, ROOM]
    call_command("replay_dead_letters", reason="unknown_device")
    said = capsys.readouterr()
    assert said.err.count("waiting: Redis is 107% full") == 1
    assert "3 dead letters sent again" in said.out
    assert count_pending() == 0


@pytest.mark.usefixtures("dead_letters")
def test_it_looks_again_when_redis_fills_up_after_the_look(
    queue: BatchQueue, levels: list[Levels], monkeypatch: pytest.MonkeyPatch
) -> None:
    levels[:] = [ROOM, FULL]

    def refuse(*_: Any, **__: Any) -> str:
        raise OutOfMemoryError

    monkeypatch.setattr(BatchQueue, "put", refuse)
    done = replay_dead_letters(DeadLetter.objects.all())
    assert (done.sent, done.hindrance) == (0, "Redis is 107% full, the mark is 70%")
    assert count_pending() == 3
    assert queue.snapshot().pending == []


@pytest.mark.usefixtures("dead_letters")
def test_it_says_in_the_admin_that_the_queue_is_full(client: Client, levels: list[Levels]) -> None:
    levels[:] = [FULL]
    client.force_login(User.objects.create_superuser("root", "root@example.org", "pw"))
    answer = client.post(
        "/admin/telemetry/deadletter/",
        {
            "action": "replay",
            "_selected_action": list(DeadLetter.objects.values_list("pk", flat=True)),
        },
    )
    [said] = [str(message) for message in get_messages(answer.wsgi_request)]
    assert said.startswith("0 sent. The queue is full: the others are still pending.")
    assert count_pending() == 3


def test_it_leaves_the_rest_to_its_next_run_as_a_task(
    queue: BatchQueue, connection: Connection, fleet: None, levels: list[Levels]
) -> None:
    store(connection, make_message(code="X1"))
    DeadLetter.objects.update(reason="unknown_device", device_code="D01")
    levels[:] = [FULL]
    replay_waiting()
    assert count_pending() == 1
    levels[:] = [ROOM]
    replay_waiting()
    assert count_pending() == 0


def test_it_puts_no_lines_of_a_file_above_the_marks_of_the_bridges(
    queue: BatchQueue, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert feed_module.find_hindrance(queue.redis) == ""
    queue.put([make_message()] * 3, source="bridge-1")
    assert read_levels(queue.redis).pending_messages == 3
    monkeypatch.setenv("BRIDGE_PENDING_LOW", "2")
    assert feed_module.find_hindrance(queue.redis) == "3 messages pending, the mark is 2"
