"""How long the stages of storing take, over all processes: histograms in one hash of Redis.

A process counts for itself and adds what is new once a second, so a batch costs no command more.
"""

from bisect import bisect_left
from collections import Counter
from typing import Any

from msgspec import Struct
from redis import Redis
from redis.client import Pipeline

from telemetry.core.batch import STAGES_KEY

STAGES = ("queue", "read", "validate", "guard", "limits", "store", "presence", "redis")
"""From the receipt to the claim; unpacking a batch; validating it; asking the guard; asking the
limits; the transaction; noting presence; one write to Redis, its disk included."""
LAG = "lag"
"""From the gateway's time of a reading to its commit."""
STAGE_SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0, 60.0)
LAG_SECONDS = (0.5, 1.0, 2.0, 5.0, 10.0, 30.0, 60.0, 300.0, 3_600.0, 86_400.0)
_SUM = "us"


class StageSums(Struct, frozen=True):
    """One stage: counts by bound, the last one of what is above all bounds, and seconds."""

    name: str
    counts: list[int]
    seconds: float


class StageCounter:
    """What one process counted since it added it to Redis."""

    def __init__(self) -> None:
        self._fields: Counter[str] = Counter()

    def add(self, stage: str, seconds: float) -> None:
        """Count one duration. A clock that was set back gives zero."""
        seconds = max(0.0, seconds)
        bounds = LAG_SECONDS if stage == LAG else STAGE_SECONDS
        self._fields[f"{stage}:{bisect_left(bounds, seconds)}"] += 1
        self._fields[f"{stage}:{_SUM}"] += round(seconds * 1_000_000)

    def write(self, pipeline: "Pipeline") -> None:
        """Queue the commands that add it. Call `clear` once they are done."""
        for name, count in self._fields.items():
            pipeline.hincrby(STAGES_KEY, name, count)

    def clear(self) -> None:
        """Begin anew."""
        self._fields.clear()


def note_stages(redis: Redis, counter: StageCounter) -> None:
    """Add what was counted. Raises `RedisError`."""
    pipeline = redis.pipeline(transaction=True)
    counter.write(pipeline)
    pipeline.execute()
    counter.clear()


def read_stages(redis: Redis) -> list[StageSums]:
    """All stages, and the lag, also those that nothing was counted of. Raises `RedisError`."""
    raw: Any = redis.hgetall(STAGES_KEY)
    fields = {name.decode(): int(count) for name, count in raw.items()}
    return [
        StageSums(
            stage,
            [fields.get(f"{stage}:{place}", 0) for place in range(len(bounds) + 1)],
            fields.get(f"{stage}:{_SUM}", 0) / 1_000_000,
        )
        for stage, bounds in (*((stage, STAGE_SECONDS) for stage in STAGES), (LAG, LAG_SECONDS))
    ]
