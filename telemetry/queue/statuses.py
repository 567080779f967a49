"""What gateways say of their connections, on its way from the bridges to the task that marks them
online and offline. Presence is no telemetry: it is in no batch and no ledger."""

from collections.abc import Mapping
from typing import Any

from msgspec import Struct
from redis import Redis

ONLINE_KEY = "ingest:status:online"  # sorted set: MAC, Unix seconds of the status
OFFLINE_KEY = "ingest:status:offline"
MOST_STATUSES = 100_000
"""Older ones are dropped: silence tells the same, later."""


class Statuses(Struct, frozen=True):
    """Gateways by MAC, with the Unix seconds at which they said so, or their last will did."""

    online: dict[str, float]
    offline: dict[str, float]


def note_statuses(redis: Redis, statuses: Mapping[str, bool], *, now_s: float) -> None:
    """Note who is online. Who says so has taken back a last will. May raise `RedisError`."""
    online = [mac for mac, is_online in statuses.items() if is_online]
    offline = [mac for mac, is_online in statuses.items() if not is_online]
    pipeline = redis.pipeline(transaction=False)
    if online:
        pipeline.zrem(OFFLINE_KEY, *online)
    for key, macs in ((ONLINE_KEY, online), (OFFLINE_KEY, offline)):
        if macs:
            pipeline.zadd(key, dict.fromkeys(macs, now_s))
            pipeline.zremrangebyrank(key, 0, -MOST_STATUSES - 1)
    pipeline.execute()


def read_statuses(redis: Redis, *, online_until_s: float, offline_until_s: float) -> Statuses:
    """The statuses of up to these instants. May raise `RedisError`."""
    pipeline = redis.pipeline(transaction=False)
    pipeline.zrangebyscore(ONLINE_KEY, "-inf", online_until_s, withscores=True)
    pipeline.zrangebyscore(OFFLINE_KEY, "-inf", offline_until_s, withscores=True)
    found: Any = pipeline.execute()
    online, offline = ({mac.decode(): at for mac, at in pairs} for pairs in found)
    return Statuses(online, offline)


def forget_statuses(redis: Redis, *, online_until_s: float, offline_until_s: float) -> None:
    """Delete what was read: a status that came meanwhile is newer. May raise `RedisError`."""
    redis.zremrangebyscore(ONLINE_KEY, "-inf", online_until_s)
    redis.zremrangebyscore(OFFLINE_KEY, "-inf", offline_until_s)
