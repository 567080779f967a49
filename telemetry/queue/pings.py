"""Which worker pools there are and which of them answer.

Pools give signs of life, so that one that is frozen is missed by its name. One that ends as it
should deletes its sign.
"""

import time
from typing import Any

from celery import Celery
from msgspec import Struct
from redis import Redis

from telemetry.core.batch import POOLS_SEEN_KEY

MISSED_S = 900.0
"""A pool that was silent for longer is dropped: it may be gone for good."""
AHEAD_S = 60.0
"""A sign that lies further ahead was given before a clock jumped back: nobody would miss it."""
PING_TIMEOUT_S = 1.0


class Pool(Struct):
    """A worker pool; whether it answers. `seen_age_s`: since its last sign of life."""

    name: str
    ok: bool
    seen_age_s: float | None = None


def note_seen(redis: Redis, pool: str) -> None:
    """Give a sign of life."""
    now = time.time()
    pipeline = redis.pipeline(transaction=True)  # passes when Redis is full
    pipeline.zadd(POOLS_SEEN_KEY, {pool: now})
    pipeline.zremrangebyscore(POOLS_SEEN_KEY, "-inf", now - MISSED_S)
    pipeline.zremrangebyscore(POOLS_SEEN_KEY, now + AHEAD_S, "+inf")
    pipeline.execute()


def note_end(redis: Redis, pool: str) -> None:
    """Say that a pool ends: nobody misses it."""
    redis.zrem(POOLS_SEEN_KEY, pool)


def ask_pools(app: Celery, redis: Redis, *, wanted: int) -> list[Pool]:
    """Every pool that is known or answers, by name.

    As soon as all that are known answered; a second later when one of them is silent, or when fewer
    are known than are wanted. Raises `redis.RedisError`.
    """
    now = time.time()
    seen: Any = redis.zrangebyscore(POOLS_SEEN_KEY, now - MISSED_S, "+inf", withscores=True)
    ages = {name.decode(): round(max(0.0, now - at), 1) for name, at in seen}
    if len(ages) >= wanted:
        whom: dict[str, Any] = {"destination": sorted(ages), "limit": len(ages)}
    else:
        whom = {}
    # A connection of its own: one that waited in the app's pool may be of a Redis before a restart.
    with app.connection_for_write() as connection:
        replies: Any = app.control.ping(timeout=PING_TIMEOUT_S, connection=connection, **whom)
    answers = {name: "ok" in answer for reply in replies or () for name, answer in reply.items()}
    names = sorted(ages.keys() | answers.keys())
    return [Pool(name, answers.get(name, False), ages.get(name)) for name in names]
