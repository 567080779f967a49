"""A batch on its way to Redis: tried until it is there, counted once."""

from typing import Any

import pytest
from kombu.exceptions import OperationalError
from redis.exceptions import ConnectionError as RedisConnectionError

from ingest_bridge.collector import Collected
from ingest_bridge.sender import Outgoing, Sender
from telemetry.core.batch import RawMessage
from telemetry.queue.batches import Written


class FakeQueue:
    """A queue whose writes and sends fail as often as told."""

    def __init__(self) -> None:
        self.failing_writes = 0
        self.failing_sends = 0
        self.needs_worker = True
        self.written: list[str] = []
        self.sent: list[str] = []

    def write(self, batch_id: str, body: bytes, **_: Any) -> Written:
        if self.failing_writes:
            self.failing_writes -= 1
            raise RedisConnectionError("away")
        self.written.append(batch_id)
        return Written(is_new=True, needs_worker=self.needs_worker, storing_s=0.25)

    def ring(self) -> None:
        if self.failing_sends:
            self.failing_sends -= 1
            raise OperationalError("away")
        self.sent.append(self.written[-1])


@pytest.fixture
def queue() -> FakeQueue:
    return FakeQueue()


@pytest.fixture
def sender(queue: FakeQueue) -> Sender:
    sender = Sender(queue, client_id="b1")  # type: ignore[arg-type]
    sender.start(Collected([RawMessage("t", b"p")], [4], generation=1))
    return sender


def test_it_hands_out_the_acknowledgements_when_redis_has_the_batch(
    sender: Sender, queue: FakeQueue
) -> None:
    collected = sender.step(now_s=0.0)
    assert collected is not None
    assert collected.packet_ids == [4]
    assert queue.written == queue.sent
    assert sender.outgoing is None
    assert sender.storing_s == 0.25


def test_it_calls_no_worker_when_some_are_there(sender: Sender, queue: FakeQueue) -> None:
    queue.needs_worker = False
    assert sender.step(now_s=0.0) is not None
    assert (len(queue.written), queue.sent) == (1, [])


def test_it_acknowledges_nothing_when_the_write_fails(sender: Sender, queue: FakeQueue) -> None:
    queue.failing_writes = 1
    assert sender.step(now_s=0.0) is None
    assert sender.outgoing is not None


def test_it_waits_before_it_tries_again(sender: Sender, queue: FakeQueue) -> None:
    queue.failing_writes = 1
    sender.step(now_s=0.0)
    assert sender.outgoing is not None
    due_at = sender.outgoing.due_at
    assert sender.step(now_s=due_at - 0.001) is None
    assert queue.written == []
    assert sender.step(now_s=due_at) is not None


def test_it_keeps_the_id_and_writes_once_when_only_the_task_fails(
    sender: Sender, queue: FakeQueue
) -> None:
    queue.failing_sends = 2
    while sender.outgoing is not None:
        sender.step(now_s=sender.outgoing.due_at)
    assert len(queue.written) == 1
    assert queue.sent == queue.written


def test_it_counts_what_it_sent_and_takes_the_next(sender: Sender, queue: FakeQueue) -> None:
    assert (sender.sent_messages, sender.sent_batches) == (0, 0)
    collected = sender.step(now_s=0.0)
    assert (sender.sent_messages, sender.sent_batches) == (1, 1)
    assert collected is not None
    assert collected.messages == [], "the body has them"
    sender.start(Collected([RawMessage("t", b"p")] * 3, [5, 6, 7], generation=1))
    sender.step(now_s=0.0)
    assert (sender.sent_messages, sender.sent_batches) == (4, 2)
    assert len(set(queue.written)) == 2


def test_it_notes_when_a_batch_was_collected_and_waits_longer_each_time(
    sender: Sender, queue: FakeQueue, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ingest_bridge.sender.time.time_ns", lambda: 1_700_000_000_123_456_789)
    monkeypatch.setattr("ingest_bridge.sender.time.monotonic", lambda: 50.0)
    monkeypatch.setattr("ingest_bridge.sender.random.random", lambda: 0.0)
    outgoing = Outgoing(Collected([RawMessage("t", b"p")], [], generation=1))
    assert outgoing.received_us == 1_700_000_000_123_456
    assert (outgoing.failures, outgoing.due_at, outgoing.count) == (0, 0.0, 1)
    queue.failing_writes = 7
    delays = []
    for _ in range(7):
        sender.step(now_s=1e9)
        assert sender.outgoing is not None
        delays.append(round(sender.outgoing.due_at - 50.0, 3))
    assert delays == [0.1, 0.2, 0.4, 0.8, 1.6, 2.0, 2.0]
