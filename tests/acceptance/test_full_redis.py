"""Redis is full and stays so until what waits in it is stored; nobody raises its limit."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pytest

from config.celery import app
from config.options import StatusOptions
from telemetry.core.batch import READY_KEY
from telemetry.queue.levels import read_levels
from telemetry.store.operations.pipeline_status import PipelineStatus, read_status
from tests.acceptance.conftest import Gateways, Pipeline
from tests.acceptance.processes import wait_until
from tests.acceptance.test_faults import publish_many, wait_for_acknowledged
from tests.messages import make_message

pytestmark = pytest.mark.acceptance

BATCHES, IN_EACH = 600, 3
LIVE = 500
LOST = 60
START = datetime.now(UTC) - timedelta(hours=2)
# Redis itself is a good part of so small a queue: it is never as empty as the usual marks want.
MARKS = {"BRIDGE_REDIS_MEMORY_HIGH": "97", "BRIDGE_REDIS_MEMORY_LOW": "95"}


def ask(pipeline: Pipeline) -> PipelineStatus:
    return read_status(
        pipeline.queue, app, options=StatusOptions(), bridges_wanted=1, pools_wanted=2
    )


def fill(pipeline: Pipeline, *, lost: int) -> None:
    """Batches that wait, so many of them in no list, and a limit below what they take.

    Redis keeps a histogram for each command that it was ever asked (`latency-tracking`): in a new
    one they come to as much as this small queue, and would fill it again while it drains.
    """
    pipeline.queue.redis.config_set("latency-tracking", "no")
    for number in range(BATCHES):
        at = START + timedelta(seconds=number)
        times = [(at + timedelta(milliseconds=part)).isoformat() for part in range(IN_EACH)]
        pipeline.queue.put([make_message(at=text) for text in times], source="test")
    redis = pipeline.queue.redis
    redis.ltrim(READY_KEY, lost, -1)
    redis.config_set("maxmemory", int(redis.info("memory")["used_memory"] / 1.07))


def is_said(pipeline: Pipeline) -> Callable[[], bool]:
    """Whether the status names what is wrong, and the processes as they are."""

    def look() -> bool:
        status = ask(pipeline)
        problems = " ".join(status.problems)
        return (
            status.beat.ok
            and len(status.pools) == 2
            and problems.startswith("Redis is 1")
            and "bridge-1: paused: Redis is" in problems
        )

    return look


def test_it_drains_by_itself_when_redis_is_full(
    empty_pipeline: Pipeline, gateways: Gateways
) -> None:
    pipeline = empty_pipeline
    redis = pipeline.queue.redis
    before = redis.config_get("maxmemory")["maxmemory"]
    try:
        fill(pipeline, lost=LOST)
        bridge = pipeline.start_bridge("bridge-1", **MARKS)  # all start when Redis is full, too
        wait_until(
            lambda: "connected" in bridge.read_log(),
            timeout_s=30,
            what=lambda: f"the bridge is subscribed\n{bridge.read_log()}",
        )
        wait_for_acknowledged(publish_many(gateways, count=LIVE))
        pipeline.add_safety_net()
        pipeline.start_worker("ingest", concurrency=2)
        pipeline.wait_for_worker("ingest")
        report = pipeline.wait_for_received(BATCHES * IN_EACH + LIVE, timeout_s=180)
        assert report.is_balanced, report
        assert report.rows == BATCHES * IN_EACH + LIVE - LIVE // 50
        assert read_levels(redis).memory_percent < 100
        assert "backpressure_on" in bridge.read_log()
        assert "backpressure_off" in bridge.read_log()
    finally:
        redis.config_set("maxmemory", before)


def test_it_says_what_is_wrong_when_redis_is_full(empty_pipeline: Pipeline) -> None:
    pipeline = empty_pipeline
    redis = pipeline.queue.redis
    before = redis.config_get("maxmemory")["maxmemory"]
    try:
        fill(pipeline, lost=BATCHES)  # nothing to do for the pool: Redis stays full
        pipeline.start_bridge("bridge-1", **MARKS)
        pipeline.start_worker("ingest")
        pipeline.add_worker("maintenance")
        pipeline.add("beat", "-m", "celery", "-A", "config", "beat")
        wait_until(
            is_said(pipeline), timeout_s=60, what=lambda: str(ask(pipeline).problems), every_s=0.5
        )
    finally:
        redis.config_set("maxmemory", before)
