"""Bridges with `{n}` in their client id take a number each, and end its session when they leave."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from threading import Event, Thread

import pytest

from ingest_bridge.lease import list_sessions
from tests.acceptance.conftest import Gateways, Pipeline
from tests.acceptance.processes import Process, wait_until
from tests.messages import TOPIC, make_payload

pytestmark = pytest.mark.acceptance

START = datetime.now(UTC) - timedelta(days=1)
TEMPLATE = "bridge-{n}"


def add_bridges(pipeline: Pipeline, count: int) -> list[Process]:
    """Started at the same time."""
    bridges = [
        pipeline.add(f"replica-{number}", "-m", "ingest_bridge", BRIDGE_CLIENT_ID=TEMPLATE)
        for number in range(count)
    ]
    wait_until(
        lambda: all(pipeline.is_bridge_ready(f"bridge-{n}") for n in range(1, count + 1)),
        timeout_s=30,
        what=lambda: "\n".join(bridge.read_log() for bridge in bridges),
    )
    return bridges


@pytest.fixture
def flow(empty_pipeline: Pipeline, gateways: Gateways) -> Iterator["Flow"]:
    flow = Flow(gateways)
    yield flow
    flow.stop()


class Flow:
    """Messages one after the other, each acknowledged by the broker."""

    def __init__(self, gateways: Gateways) -> None:
        self._gateways = gateways
        self._is_stopping = Event()
        self._thread = Thread(target=self._publish)
        self.count = 0

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> int:
        """How many there were."""
        self._is_stopping.set()
        if self._thread.is_alive():
            self._thread.join()
        return self.count

    def _publish(self) -> None:
        while not self._is_stopping.is_set():
            at = START + timedelta(seconds=self.count)
            self._gateways.publish_and_wait(TOPIC, make_payload(at=at.isoformat()))
            self.count += 1


def test_copies_of_one_bridge_share_the_load_and_lose_nothing_when_they_are_scaled_down(
    empty_pipeline: Pipeline, flow: Flow
) -> None:
    bridges = add_bridges(empty_pipeline, 3)
    empty_pipeline.add_worker("ingest")
    flow.start()
    wait_until(lambda: flow.count > 60, timeout_s=30, what="60 messages")
    for bridge in bridges[1:]:
        bridge.ask_to_stop()
    for bridge in bridges[1:]:
        assert bridge.wait(timeout_s=30) == 0, bridge.read_log()
        assert "session_ended" in bridge.read_log()
    assert len(list_sessions(empty_pipeline.queue.redis)) == 1
    before = flow.count
    wait_until(lambda: flow.count > before + 30, timeout_s=30, what="30 more")
    count = flow.stop()
    report = empty_pipeline.wait_for_received(count)
    assert (report.received, report.stored, report.difference) == (count, count, 0)


def test_the_last_ones_keep_a_session_when_all_are_stopped_at_once(
    empty_pipeline: Pipeline, flow: Flow
) -> None:
    """What is published meanwhile waits at the broker, for whoever takes that number."""
    bridges = add_bridges(empty_pipeline, 2)
    empty_pipeline.add_worker("ingest")
    flow.start()
    wait_until(lambda: flow.count > 20, timeout_s=30, what="20 messages")
    for bridge in bridges:
        bridge.ask_to_stop()
    for bridge in bridges:
        assert bridge.wait(timeout_s=30) == 0, bridge.read_log()
    assert sum("session_ended" in bridge.read_log() for bridge in bridges) == 1
    (kept,) = list_sessions(empty_pipeline.queue.redis)
    before = flow.count
    wait_until(lambda: flow.count > before + 20, timeout_s=30, what="20 more")
    count = flow.stop()
    for number in range(2):
        empty_pipeline.add(f"again-{number}", "-m", "ingest_bridge", BRIDGE_CLIENT_ID=TEMPLATE)
    report = empty_pipeline.wait_for_received(count)
    assert (report.received, report.stored, report.difference) == (count, count, 0)
    assert kept in ("bridge-1", "bridge-2")


def test_one_that_was_killed_takes_its_number_again_at_once(empty_pipeline: Pipeline) -> None:
    (bridge,) = add_bridges(empty_pipeline, 1)
    bridge.kill()
    add_bridges(empty_pipeline, 1)
    assert list_sessions(empty_pipeline.queue.redis) == ["bridge-1"]
