"""What the worker pools say of their progress: processes that answer a ping may still be stuck."""

import time
from typing import Any

from msgspec import Struct
from redis import Redis

from telemetry.core.batch import POOL_KEY
from telemetry.queue.stages import StageCounter

EXPIRES_S = 86_400


class PoolProgress(Struct, frozen=True):
    """Unix seconds of a pool's last stored batch and of its last wait, with the reason; 0: never.

    `retries` counts the waits for a fault that passes, since the pool was last gone for a day.
    """

    name: str
    progress_at: float
    waits_at: float
    reason: str
    retries: int

    @property
    def is_waiting(self) -> bool:
        """Whether the last that it did was to wait."""
        return self.waits_at > self.progress_at


def note_progress(redis: Redis, pool: str, *, counter: StageCounter | None = None) -> None:
    """Say that a batch of this pool came to its end; add what was counted meanwhile."""
    _write(redis, pool, {"progress_at": time.time()}, counter)


def note_wait(redis: Redis, pool: str, *, reason: str) -> None:
    """Say that a batch of this pool waits."""
    redis.hincrby(POOL_KEY + pool, "retries", 1)
    _write(redis, pool, {"waits_at": time.time(), "reason": reason})


def read_pools(redis: Redis) -> list[PoolProgress]:
    """Every pool that stored or waited within a day, by name."""
    pools = []
    for key in sorted(redis.scan_iter(match=f"{POOL_KEY}*", count=1000)):
        fields: Any = redis.hgetall(key)
        pools.append(
            PoolProgress(
                key.decode().removeprefix(POOL_KEY),
                float(fields.get(b"progress_at", 0)),
                float(fields.get(b"waits_at", 0)),
                fields.get(b"reason", b"").decode(),
                int(fields.get(b"retries", 0)),
            )
        )
    return pools


def _write(
    redis: Redis,
    pool: str,
    fields: dict[str, float | str],
    counter: StageCounter | None = None,
) -> None:
    pipeline = redis.pipeline(transaction=True)  # as a whole also when Redis is full
    pipeline.hset(POOL_KEY + pool, mapping=fields)  # type: ignore[arg-type]
    pipeline.expire(POOL_KEY + pool, EXPIRES_S)
    if counter is not None:
        counter.write(pipeline)
    pipeline.execute()
    if counter is not None:
        counter.clear()
