"""The small Redis of the simulation behaves as the real server, also when that is full."""

import pytest

from telemetry.queue.batches import BatchQueue
from tests.simulation.lean_client import LeanRedis
from tests.simulation.lean_redis import Data
from tests.simulation.redis_suite import assert_alike

pytestmark = pytest.mark.integration


@pytest.mark.parametrize("seed", range(10))
def test_it_behaves_as_the_real_server(queue: BatchQueue, seed: int) -> None:
    assert_alike(LeanRedis(Data(lambda: 0.0)), queue.redis, seed=seed, steps=100)


@pytest.mark.parametrize("seed", range(5))
def test_it_behaves_as_the_real_server_when_that_is_full(queue: BatchQueue, seed: int) -> None:
    lean = LeanRedis(Data(lambda: 0.0))
    lean.data.full_until = 1.0
    queue.redis.config_set("maxmemory", "1")
    try:
        assert_alike(lean, queue.redis, seed=seed, steps=100)
    finally:
        queue.redis.config_set("maxmemory", "0")
