"""What the reject guard of the ingest pool tells operators, and what they tell it."""

import json
import time

from redis import Redis

from telemetry.core.batch import GUARD_KEY, GUARD_OVERRULED_KEY

EXPIRES_S = 90
"""How long an alarm stands without anything being held: `telemetry.queue.requeue` tries what is put
aside more often."""


def raise_alarm(redis: Redis, *, reason: str) -> None:
    """Say that batches are held. Repeated while they are."""
    redis.set(GUARD_KEY, json.dumps({"reason": reason, "at": time.time()}), ex=EXPIRES_S)


def clear_alarm(redis: Redis) -> None:
    """Say that batches are stored again."""
    redis.delete(GUARD_KEY)


def read_alarm(redis: Redis) -> str:
    """Why batches are held; empty when none is."""
    held = redis.get(GUARD_KEY)
    return str(json.loads(held)["reason"]) if held else ""


def overrule(redis: Redis, *, for_s: int) -> None:
    """Store what the guard would hold, for so long."""
    redis.set(GUARD_OVERRULED_KEY, "1", ex=for_s)
    clear_alarm(redis)


def is_overruled(redis: Redis) -> bool:
    """Whether an operator said that the rejections are right."""
    return bool(redis.exists(GUARD_OVERRULED_KEY))
