"""Token buckets of gateways and accounts in Redis, which all worker processes share."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from msgspec import Struct
from redis import Redis

_SCRIPT = Path(__file__).parent / "lua" / "take.lua"
BUCKET_KEY = "ingest:bucket:"  # + name: hash of tokens and the time they were counted, expires
LIMITED_KEY = "ingest:limited"  # sorted set: MAC, Unix seconds of its last rejected message


class Demand(Struct, frozen=True):
    """What is wanted of a bucket that fills with `rate` tokens a second, up to `most`."""

    name: str
    rate: float
    most: float
    wanted: int


class Buckets:
    """Every call may raise `redis.RedisError`."""

    def __init__(self, redis: Redis) -> None:
        self._redis = redis
        self._take = redis.register_script(_SCRIPT.read_text(encoding="utf-8"))

    def take(self, demands: Sequence[Demand], *, now_s: float) -> list[int]:
        """Take what is there of what is wanted, in one round trip; how many tokens, of each."""
        args: list[float | str | int] = [now_s]
        for demand in demands:
            args += [demand.rate, demand.most, demand.wanted]
        keys = [BUCKET_KEY + demand.name for demand in demands]
        return [int(count) for count in self._take(keys=keys, args=args)]

    def note_limited(self, macs: Sequence[str], *, now_s: float) -> None:
        """Note whose messages were rejected for their rate."""
        self._redis.zadd(LIMITED_KEY, dict.fromkeys(macs, now_s))
        self._redis.expire(LIMITED_KEY, 86_400)


def list_limited(redis: Redis, *, since_s: float) -> list[str]:
    """The gateways whose messages were rejected for their rate since an instant."""
    found: Any = redis.zrangebyscore(LIMITED_KEY, since_s, "+inf")
    return [mac.decode() for mac in found]
