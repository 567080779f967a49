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
    """What is wanted of a bucket that fills with `rate` tokens a second, up to `most`.
    `largest`: tokens of the largest message, so that tokens for a part of it are not spent."""

    name: str
    rate: float
    most: float
    wanted: int
    largest: int = 1


class Taken(Struct):
    """Tokens of a bucket, and of its bucket of excess."""

    within: int
    excess: int


class Buckets:
    """Every call may raise `redis.RedisError`."""

    def __init__(self, redis: Redis) -> None:
        self._redis = redis
        self._take = redis.register_script(_SCRIPT.read_text(encoding="utf-8"))

    def take(self, demands: Sequence[Demand], *, excess_times: float, now_s: float) -> list[Taken]:
        """Take what is there of what is wanted, of each, in one round trip. A bucket of excess is
        larger, and fills faster, so many times."""
        args: list[float | str | int] = [now_s, excess_times]
        for demand in demands:
            args += [demand.rate, demand.most, demand.wanted, demand.largest]
        keys = [BUCKET_KEY + demand.name for demand in demands]
        counts = [int(count) for count in self._take(keys=keys, args=args)]
        return [Taken(*pair) for pair in zip(counts[::2], counts[1::2], strict=True)]

    def note_limited(self, macs: Sequence[str], *, now_s: float) -> None:
        """Note whose messages were rejected for their rate."""
        self._redis.zadd(LIMITED_KEY, dict.fromkeys(macs, now_s))
        self._redis.expire(LIMITED_KEY, 86_400)


def read_limited_at(redis: Redis, mac: str) -> float | None:
    """When a message of the gateway was last rejected for its rate, within the last day."""
    score: Any = redis.zscore(LIMITED_KEY, mac)
    return None if score is None else float(score)


def list_limited(redis: Redis, *, since_s: float) -> list[str]:
    """The gateways whose messages were rejected for their rate since an instant."""
    found: Any = redis.zrangebyscore(LIMITED_KEY, since_s, "+inf")
    return [mac.decode() for mac in found]
