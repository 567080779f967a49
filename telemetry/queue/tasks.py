"""Which batches have a task: in the queue, or with a worker that is alive."""

from typing import Any

import msgspec
from msgspec import Struct
from redis import Redis

from telemetry.core.batch import INGEST_QUEUE, LAST_PRIORITY

# Names that kombu's Redis transport gives (kombu 5.7, kombu/transport/redis.py).
UNACKED_KEY = "unacked"
UNACKED_INDEX_KEY = "unacked_index"
LAST_SUFFIX = f"\x06\x16{LAST_PRIORITY}"  # of the list of a queue's tasks with that priority
SLICE = 1_000


class _Headers(Struct):
    id: str


class _Message(Struct):
    headers: _Headers


_message = msgspec.json.Decoder(_Message)
_unacked = msgspec.json.Decoder(tuple[_Message, str, str])


def count_waiting(redis: Redis, queue: str) -> int:
    """Tasks in a queue that no worker has taken."""
    return int(redis.llen(queue)) + int(redis.llen(queue + LAST_SUFFIX))


def count_unacked(redis: Redis) -> dict[str, int]:
    """Tasks that workers hold, by queue: the lists in Redis do not count them."""
    counts: dict[str, int] = {}
    for text in redis.hvals(UNACKED_KEY):
        _, _, routing_key = _unacked.decode(text)
        counts[routing_key] = counts.get(routing_key, 0) + 1
    return counts


def list_waiting_ids(redis: Redis) -> set[str]:
    """Ids of the batches whose tasks wait in the queue."""
    return _list_ids(redis, INGEST_QUEUE) | list_last_ids(redis)


def list_last_ids(redis: Redis) -> set[str]:
    """Those of them that wait for all others."""
    return _list_ids(redis, INGEST_QUEUE + LAST_SUFFIX)


def _list_ids(redis: Redis, name: str) -> set[str]:
    ids: set[str] = set()
    start = 0
    # Tasks are taken from the far end and put at the near one: reading from the far end could
    # miss some, from the near one it only sees some twice.
    while texts := redis.lrange(name, start, start + SLICE - 1):
        ids.update(_message.decode(text).headers.id for text in texts)
        start += SLICE
    return ids


def list_held_ids(redis: Redis, *, since: float) -> set[str]:
    """Ids of the batches whose tasks a worker took after `since` (Unix seconds)."""
    tags: Any = redis.zrangebyscore(UNACKED_INDEX_KEY, since, "+inf")
    texts = redis.hmget(UNACKED_KEY, tags) if tags else []
    return {_unacked.decode(text)[0].headers.id for text in texts if text is not None}
