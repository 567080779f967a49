"""Pools are known by name: a frozen one is missed, and the list is the same at every look."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from telemetry.queue.batches import BatchQueue
from telemetry.queue.pings import ask_pools, note_end, note_seen
from tests.status import read_test_status

pytestmark = pytest.mark.integration

ROOT = Path(__file__).parents[2]
NAMES = ["ingest@test", "maintenance@test"]


@pytest.fixture
def pools(queue: BatchQueue, stack_environ: dict[str, str]) -> Iterator[dict[str, Any]]:
    """One pool of each kind, by name."""
    begun = {}
    celery = ["celery", "-A", "config", "worker", "--queues", "maintenance"]
    celery += ["--without-mingle", "--without-gossip"]
    for kind, argv in (("ingest", ["workers.ingest_pool"]), ("maintenance", celery)):
        begun[f"{kind}@test"] = subprocess.Popen(
            [*(sys.executable, "-m", *argv), "--hostname", f"{kind}@test", "--concurrency", "1"],
            cwd=ROOT,
            env=stack_environ,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
    yield begun
    for process in begun.values():
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def wait_for(is_so: Callable[[], bool], *, timeout_s: float = 60) -> None:
    give_up_s = time.monotonic() + timeout_s
    while not is_so():
        assert time.monotonic() < give_up_s, "it did not come"
        time.sleep(0.1)


def answering(queue: BatchQueue, *, wanted: int) -> list[str]:
    return [pool.name for pool in read_test_status(queue, pools=wanted).pools if pool.ok]


def test_it_knows_every_pool_and_misses_the_one_that_is_frozen(
    queue: BatchQueue, pools: dict[str, Any]
) -> None:
    wait_for(lambda: answering(queue, wanted=2) == NAMES)
    # One is wanted: which of the two would answer first?
    assert [answering(queue, wanted=1) for _ in range(10)] == [NAMES] * 10
    frozen = pools["maintenance@test"]
    frozen.send_signal(signal.SIGSTOP)
    status = read_test_status(queue, pools=1)
    assert [(pool.name, pool.ok) for pool in status.pools] == [(NAMES[0], True), (NAMES[1], False)]
    [problem] = [text for text in status.problems if "maintenance" in text]
    assert problem.startswith("pool maintenance@test does not answer; last sign of life ")
    told = read_test_status(queue, pools=2).problems
    assert "1 of 2 worker pools answer (ingest@test)" in told
    frozen.send_signal(signal.SIGCONT)
    wait_for(lambda: answering(queue, wanted=2) == NAMES)
    frozen.terminate()
    frozen.wait(30)
    status = read_test_status(queue, pools=1)
    assert [pool.name for pool in status.pools] == ["ingest@test"], "it ended as it should"


def test_it_asks_again_when_redis_was_away_since(queue: BatchQueue) -> None:
    note_seen(queue.redis, "a@h")
    for _ in range(2):
        assert [pool.name for pool in read_test_status(queue, pools=1).pools] == ["a@h"]
        queue.redis.client_kill_filter(_type="normal", skipme=True)


def test_it_forgets_a_pool_that_is_gone_for_good(
    queue: BatchQueue, monkeypatch: pytest.MonkeyPatch
) -> None:
    def ask_names() -> list[str]:
        return [pool.name for pool in ask_pools(queue._app, queue.redis, wanted=0)]  # type: ignore[arg-type]

    note_seen(queue.redis, "a@h")
    note_seen(queue.redis, "b@h")
    assert ask_names() == ["a@h", "b@h"]
    note_end(queue.redis, "a@h")
    assert ask_names() == ["b@h"]
    monkeypatch.setattr("telemetry.queue.pings.MISSED_S", -1.0)
    assert ask_names() == []
