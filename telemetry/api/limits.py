"""How many requests and exports a user may send, counted by minute in Redis over all processes.

Each count is one round trip and one key that expires by itself. When Redis does not answer, the API
does: nothing is counted, and Redis is tried again after a few seconds.
"""

import time
from dataclasses import replace
from functools import cache

import structlog
from django.conf import settings
from django.http import HttpRequest
from msgspec import Struct
from redis import Redis, RedisError

from config.options import RedisOptions
from config.queue import connect_redis
from telemetry.api.problems import RATE_LIMITED, ProblemError

WINDOW_S = 60
REDIS_PATIENCE_S = 0.2
RETRY_AFTER_S = 5.0

log = structlog.get_logger("telemetry.api")


class Policy(Struct, frozen=True):
    """Something that is counted. `setting`: the field of `ApiOptions` that holds the limit."""

    name: str
    setting: str


REQUESTS = Policy("requests", "requests_per_minute")
EXPORTS = Policy("exports", "exports_per_minute")


class Counter:
    """Counts in one Redis; says nothing while it is away."""

    def __init__(self, redis: Redis) -> None:
        self._redis = redis
        self._away_until = 0.0

    def count(self, key: str) -> int | None:
        """How often in this window, this time included; None when Redis does not answer."""
        if time.monotonic() < self._away_until:
            return None
        try:
            with self._redis.pipeline(transaction=True) as steps:
                steps.incr(key)
                steps.expire(key, WINDOW_S)
                return int(steps.execute()[0])
        except (RedisError, OSError) as error:
            self._away_until = time.monotonic() + RETRY_AFTER_S
            log.warning("requests are not counted", error=str(error))
            return None


@cache
def find_counter(options: RedisOptions) -> Counter:
    """The counter of this process. Impatient: a request must not wait for a Redis that hangs."""
    return Counter(connect_redis(replace(options, socket_timeout_s=REDIS_PATIENCE_S)))


def count_against(policy: Policy, request: HttpRequest, *, user_id: int) -> None:
    """Count one; the response says how many are left. Raises `ProblemError` above the limit."""
    most: int = getattr(settings.OPTIONS.api, policy.setting)
    if most == 0:
        return
    window, elapsed_s = divmod(int(time.time()), WINDOW_S)
    key = f"api:{policy.name}:{user_id}:{window}"
    counted = find_counter(settings.OPTIONS.redis).count(key)
    if counted is None:
        return
    left_s = WINDOW_S - elapsed_s
    headers: dict[str, list[str]] = request.__dict__.setdefault("rate_limits", {})
    headers.setdefault("RateLimit-Policy", []).append(f'"{policy.name}";q={most};w={WINDOW_S}')
    left = max(0, most - counted)
    headers.setdefault("RateLimit", []).append(f'"{policy.name}";r={left};t={left_s}')
    if counted > most:
        raise ProblemError(
            RATE_LIMITED,
            f"At most {most} {policy.name} a minute: try again in {left_s} s.",
            headers={"Retry-After": str(left_s)},
        )
