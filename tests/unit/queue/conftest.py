"""The batch queue on the small Redis of the simulation, for tests that need no server."""

from typing import Any

import pytest

from telemetry.queue.batches import BatchQueue
from telemetry.queue.tasks import LAST_SUFFIX
from tests.simulation.lean_client import LeanRedis
from tests.simulation.lean_redis import Data


class ListingCelery:
    """Puts tasks into their lists, and keeps what it was asked."""

    def __init__(self, redis: LeanRedis) -> None:
        self._redis = redis
        self.sent: list[dict[str, Any]] = []

    def send_task(self, name: str, **asked: Any) -> None:
        self.sent.append({"name": name, **asked})
        text = b'{"headers": {"id": "%b"}}' % asked["task_id"].encode()
        self._redis.lpush(asked["queue"] + (LAST_SUFFIX if asked["priority"] else ""), text)


@pytest.fixture
def celery(redis: LeanRedis) -> ListingCelery:
    return ListingCelery(redis)


@pytest.fixture
def redis() -> LeanRedis:
    return LeanRedis(Data(lambda: 0.0))


@pytest.fixture
def queue(redis: LeanRedis, celery: ListingCelery) -> BatchQueue:
    return BatchQueue(redis, celery)  # type: ignore[arg-type]
