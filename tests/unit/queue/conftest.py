"""The batch queue on the small Redis of the simulation, for tests that need no server."""

from typing import Any

import pytest

from telemetry.queue.batches import BatchQueue
from tests.simulation.lean_client import LeanRedis
from tests.simulation.lean_redis import Data


class ListingCelery:
    """Puts tasks into their list, and keeps what it was asked."""

    def __init__(self, redis: LeanRedis) -> None:
        self._redis = redis
        self.sent: list[dict[str, Any]] = []

    def send_task(self, name: str, **asked: Any) -> None:
        self.sent.append({"name": name, **asked})
        self._redis.lpush(asked["queue"], "task")


@pytest.fixture
def celery(redis: LeanRedis) -> ListingCelery:
    return ListingCelery(redis)


@pytest.fixture
def redis() -> LeanRedis:
    return LeanRedis(Data(lambda: 0.0))


@pytest.fixture
def queue(redis: LeanRedis, celery: ListingCelery) -> BatchQueue:
    return BatchQueue(redis, celery, owner="owner")  # type: ignore[arg-type]
