"""How long the stages of storing take: counted by pools, a batch at a time, and read as metrics."""

from contextlib import closing
from datetime import UTC, datetime, timedelta

import pytest

from config.celery import app
from config.env import read_options
from config.options import IngestOptions
from telemetry.core.batch import IMPORT_SOURCE, STAGES_KEY
from telemetry.queue.batches import BatchQueue
from telemetry.queue.stages import (
    LAG,
    STAGE_SECONDS,
    STAGES,
    StageCounter,
    StageSums,
    note_stages,
    read_stages,
)
from tests.messages import make_message
from workers.runner import BatchRunner, open_runner

pytestmark = pytest.mark.integration


def run(runner: BatchRunner) -> None:
    """Store what is ready, and say so."""
    assert runner._claim_and_store(wait_s=0)
    runner._noted_s = float("-inf")
    runner._note_progress()
    runner._leave()


def read(queue: BatchQueue) -> dict[str, StageSums]:
    return {stage.name: stage for stage in read_stages(queue.redis)}


def test_it_counts_each_stage_of_each_batch(runner: BatchRunner, queue: BatchQueue) -> None:
    at = datetime.now(UTC) - timedelta(seconds=20)
    for minute in range(3):
        message = make_message(at=(at - timedelta(minutes=minute)).isoformat())
        queue.put([message], source="bridge-1")
    run(runner)
    found = read(queue)
    counts = {name: sum(stage.counts) for name, stage in found.items()}
    assert set(counts) == {*STAGES, LAG}
    for name in ("queue", "read", "validate", "guard"):
        assert counts[name] == 3, name
    for name in ("limits", "store", "presence"):
        assert counts[name] == 1, f"{name}: the batches were stored together"
    assert counts["redis"] >= 1
    assert counts[LAG] == 3
    assert 20 * 3 + 180 <= found[LAG].seconds < 20 * 3 + 180 + 15
    assert 0 < found["store"].seconds < 10
    seconds = sum(found[name].seconds for name in ("read", "validate"))
    assert 0 < seconds < 10


def test_it_does_not_count_what_operators_send_as_late(
    runner: BatchRunner, queue: BatchQueue
) -> None:
    queue.put([make_message(at="2026-11-01T00:00:00Z")], source=IMPORT_SOURCE)
    run(runner)
    found = read(queue)
    assert sum(found[LAG].counts) == sum(found["queue"].counts) == 0
    assert sum(found["store"].counts) == 1


def test_it_counts_nothing_where_that_is_switched_off(
    runner: BatchRunner, queue: BatchQueue, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("METRICS_STAGES", "false")
    with closing(open_runner(read_options(IngestOptions), app)) as other:
        queue.put([make_message()], source="bridge-1")
        run(other)
    assert not queue.redis.exists(STAGES_KEY)
    assert all(sum(stage.counts) == 0 for stage in read_stages(queue.redis))


def test_it_adds_up_what_several_processes_counted(queue: BatchQueue) -> None:
    for _ in range(2):
        counter = StageCounter()
        for seconds in (-5.0, 0.0004, 0.003, 99.0):
            counter.add("store", seconds)
        note_stages(queue.redis, counter)
        note_stages(queue.redis, counter)  # nothing is new
    store = read(queue)["store"]
    assert (store.counts[0], store.counts[2], store.counts[-1]) == (4, 2, 2)
    assert sum(store.counts) == 8
    assert len(store.counts) == len(STAGE_SECONDS) + 1
    assert store.seconds == pytest.approx(2 * 99.0034)
