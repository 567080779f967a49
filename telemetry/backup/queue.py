"""Redis's part of a backup: what is pending, the broker's drops, the bridges' sessions.

The counters of what was received are not saved: they follow from the ledger and what is pending.
"""

from collections.abc import Iterator
from typing import Any

import msgspec
from msgspec import Struct
from redis import Redis

from telemetry.core.batch import (
    BATCH_KEY,
    BROKER_KEY,
    COUNTERS_KEY,
    HELD_KEY,
    PENDING_KEY,
    SESSIONS_KEY,
)

_encoder = msgspec.msgpack.Encoder()


class SavedBatch(Struct, array_like=True, frozen=True):
    """A pending batch with every field of its hash."""

    id: str
    received_at: float
    fields: dict[bytes, bytes]


class SavedKeys(Struct, frozen=True):
    """The small keys."""

    broker: dict[bytes, bytes]
    sessions: list[bytes]


def save_keys(redis: Redis) -> bytes:
    """The broker's drops, the bridges' sessions."""
    broker: Any = redis.hgetall(BROKER_KEY)
    sessions: Any = redis.smembers(SESSIONS_KEY)
    return _encoder.encode(SavedKeys(broker, sorted(sessions)))


def save_batches(redis: Redis) -> Iterator[bytes]:
    """Every batch that is pending or put aside, each with its length before it. Those that end
    meanwhile are left out: the database has them, and its part is taken later."""
    unfinished: Any = [
        *redis.zrange(PENDING_KEY, 0, -1, withscores=True),
        *redis.zrange(HELD_KEY, 0, -1, withscores=True),
    ]
    for batch_id, received_at in unfinished:
        fields: Any = redis.hgetall(BATCH_KEY + batch_id.decode())
        if fields:
            saved = _encoder.encode(SavedBatch(batch_id.decode(), received_at, fields))
            yield len(saved).to_bytes(4, "big") + saved


def load_batches(redis: Redis, pieces: Iterator[bytes]) -> int:
    """Put saved batches back; how many. They are sent when `requeue_stale_batches` finds them."""
    count = 0
    for saved in _split(pieces):
        batch = msgspec.msgpack.decode(saved, type=SavedBatch)
        pipeline = redis.pipeline(transaction=True)
        pipeline.hset(BATCH_KEY + batch.id, mapping={**batch.fields, b"attempts": b"0"})  # type: ignore[dict-item]
        pipeline.hdel(BATCH_KEY + batch.id, "claimed_at")
        pipeline.zadd(PENDING_KEY, {batch.id: batch.received_at})
        pipeline.hincrby(COUNTERS_KEY, "pending_messages", int(batch.fields[b"messages"]))
        pipeline.execute()
        count += 1
    return count


def load_keys(redis: Redis, data: bytes) -> None:
    """Put the small keys back."""
    saved = msgspec.msgpack.decode(data, type=SavedKeys)
    pipeline = redis.pipeline(transaction=True)
    if saved.broker:
        pipeline.hset(BROKER_KEY, mapping=saved.broker)  # type: ignore[arg-type]
    if saved.sessions:
        pipeline.sadd(SESSIONS_KEY, *saved.sessions)
    pipeline.execute()


def set_received(redis: Redis, *, messages: int, batches: int) -> None:
    """Set the counters of what was received, so that the books balance with a loaded database."""
    redis.hset(COUNTERS_KEY, mapping={"received_messages": messages, "received_batches": batches})


def is_in_use(redis: Redis) -> bool:
    """Whether a queue lives here already."""
    return bool(redis.exists(COUNTERS_KEY, PENDING_KEY))


def _split(pieces: Iterator[bytes]) -> Iterator[bytes]:
    rest = b""
    for piece in pieces:
        rest += piece
        at = 0
        while len(rest) - at >= 4:
            end = at + 4 + int.from_bytes(rest[at : at + 4], "big")
            if end > len(rest):
                break
            yield rest[at + 4 : end]
            at = end
        rest = rest[at:]
