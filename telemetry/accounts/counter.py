"""Count in Redis, over all processes, for limits.

Each count is one round trip and one key that expires by itself. When Redis does not answer, nothing
is counted, and it is tried again after a few seconds.
"""

import time
from dataclasses import replace
from functools import cache

import structlog
from redis import Redis, RedisError

from config.options import RedisOptions
from config.queue import connect_redis

REDIS_PATIENCE_S = 0.2
RETRY_AFTER_S = 5.0

log = structlog.get_logger("telemetry.limits")


class Counter:
    """Counts in one Redis; says nothing while it is away."""

    def __init__(self, redis: Redis) -> None:
        self._redis = redis
        self._away_until = 0.0

    def count(self, key: str, *, window_s: int) -> int | None:
        """How often in this window, this time included; None when Redis does not answer."""
        if time.monotonic() < self._away_until:
            return None
        try:
            with self._redis.pipeline(transaction=True) as steps:
                steps.incr(key)
                steps.expire(key, window_s)
                return int(steps.execute()[0])
        except (RedisError, OSError) as error:
            self._away_until = time.monotonic() + RETRY_AFTER_S
            log.warning("requests_not_counted", error=str(error))
            return None


@cache
def find_redis(options: RedisOptions) -> Redis:
    """This process's Redis for limits. Impatient: a request must not wait for one that hangs."""
    return connect_redis(replace(options, socket_timeout_s=REDIS_PATIENCE_S))


@cache
def find_counter(options: RedisOptions) -> Counter:
    """The counter of this process."""
    return Counter(find_redis(options))
