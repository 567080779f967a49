"""A deep queue or a full Redis stops the bridge, and nothing else."""

import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from paho.mqtt.client import Client
from paho.mqtt.enums import CallbackAPIVersion

from config.celery import app
from config.options import StatusOptions
from ingest_bridge.session import DROPPED_TOPIC
from telemetry.queue.bridges import read_bridges
from telemetry.store.operations.pipeline_status import read_status
from tests.acceptance.conftest import Gateways, Pipeline
from tests.acceptance.processes import wait_until
from tests.acceptance.test_faults import (
    assert_all_accounted,
    publish_many,
    wait_for_acknowledged,
)
from tests.messages import TOPIC, make_payload

pytestmark = pytest.mark.acceptance

COUNT = 3_000


def state_of(pipeline: Pipeline) -> str:
    states = [bridge.state for bridge in read_bridges(pipeline.queue.redis)]
    return states[0] if states else ""


def test_it_pauses_above_the_high_mark_and_takes_all_when_the_workers_come(
    empty_pipeline: Pipeline, gateways: Gateways
) -> None:
    marks = {"BRIDGE_PENDING_HIGH": "1000", "BRIDGE_PENDING_LOW": "200"}
    bridge = empty_pipeline.add_bridge(BRIDGE_BATCH_MESSAGES="100", **marks)
    infos = publish_many(gateways, count=COUNT)
    wait_for_acknowledged(infos)  # the broker keeps what the bridge does not take
    # One look of the bridge at the queue lets pass what came in half a second.
    gateways.publish_and_wait(TOPIC, make_payload(at=datetime.now(UTC).isoformat()))
    wait_until(
        lambda: state_of(empty_pipeline).startswith("paused"),
        timeout_s=15,
        what=f"the bridge pauses\n{bridge.read_log()}",
    )
    received = empty_pipeline.queue.snapshot().received_messages
    later = datetime.now(UTC) - timedelta(minutes=1)
    for number in range(50):
        at = (later + timedelta(milliseconds=number)).isoformat()
        gateways.publish_and_wait(TOPIC, make_payload(at=at))
    time.sleep(1)
    assert empty_pipeline.queue.snapshot().received_messages == received
    assert "disconnected" not in bridge.read_log()
    empty_pipeline.add_worker("ingest", concurrency=2)
    report = empty_pipeline.wait_for_received(COUNT + 51, timeout_s=60)
    assert report.is_balanced
    assert report.rows == COUNT - COUNT // 50 + 51
    wait_until(lambda: state_of(empty_pipeline) == "ready", timeout_s=10, what="it is ready again")
    assert "backpressure_off" in bridge.read_log()


def test_it_takes_no_more_when_redis_is_full_and_goes_on_when_it_is_not(
    ingesting: Pipeline, gateways: Gateways
) -> None:
    redis = ingesting.queue.redis
    limit = redis.config_get("maxmemory")["maxmemory"]
    try:
        redis.config_set("maxmemory", 1)
        infos = publish_many(gateways, count=COUNT)
        wait_for_acknowledged(infos)
        wait_until(
            lambda: "% full, the mark is 80%" in ingesting.processes["bridge-1"].read_log(),
            timeout_s=20,
            what="the bridge says why it does not get on",
        )
        assert ingesting.queue.snapshot().received_messages == 0
    finally:
        redis.config_set("maxmemory", limit)
    assert_all_accounted(ingesting, count=COUNT)


def test_it_counts_what_the_broker_acknowledged_and_dropped(
    empty_pipeline: Pipeline, servers: Any, request: pytest.FixtureRequest
) -> None:
    """The broker announces its counter to the session that is away, too: its queue is full, so the
    announcement is dropped and counted in its turn, one every 5 s until the bridge is back."""
    bridge = empty_pipeline.add_bridge()
    bridge.stop()  # its session stays and queues
    servers.mosquitto.reconfigure("max_queued_messages 100")
    try:
        gateways = request.getfixturevalue("gateways")
        announced: list[int] = []
        request.getfixturevalue("watch_broker")(announced)
        wait_for_acknowledged(publish_many(gateways, count=500))
        wait_until(
            lambda: announced and announced[-1] >= 400,
            timeout_s=20,
            what=lambda: f"the broker announces what it dropped: {announced}",
        )
        fewest = count_full(announced)
        empty_pipeline.add_bridge()
        most = count_full(announced)
        empty_pipeline.add_worker("ingest")
        empty_pipeline.wait_for_received(100)
        wait_until(
            lambda: 400 + fewest <= empty_pipeline.report().broker_dropped == announced[-1],
            timeout_s=20,
            what=lambda: f"what was announced is known: {empty_pipeline.report()}, {announced}",
        )
        report = empty_pipeline.report()
        assert report.received == 100
        assert fewest <= report.broker_dropped - 400 <= most
        status = read_status(
            empty_pipeline.queue, app, options=StatusOptions(), bridges_wanted=1, pools_wanted=1
        )
        assert any("the broker dropped" in problem for problem in status.problems)
    finally:
        servers.mosquitto.reconfigure("")


def count_full(announced: list[int]) -> int:
    """Announcements that found the queue full: nothing was dropped before it was."""
    return sum(count > 0 for count in announced)


@pytest.fixture
def watch_broker(stack_environ: dict[str, str]) -> Iterator[Callable[[list[int]], None]]:
    """Note every announcement of the broker's counter of dropped messages."""
    client = Client(CallbackAPIVersion.VERSION2)
    client.username_pw_set(stack_environ["MQTT_ADMIN_USER"], stack_environ["MQTT_ADMIN_PASSWORD"])

    def watch(announced: list[int]) -> None:
        client.on_message = lambda _c, _d, message: announced.append(int(message.payload))
        client.on_connect = lambda *_: client.subscribe(DROPPED_TOPIC)
        client.connect(stack_environ["MQTT_HOST"], int(stack_environ["MQTT_PORT"]))
        client.loop_start()

    yield watch
    client.disconnect()
    client.loop_stop()
