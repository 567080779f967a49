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
    PENDING_KEY,
    SESSIONS_KEY,
    list_above,
)
from telemetry.queue.batches import BatchQueue, PendingBatch

WRITE_BYTES = 2_000_000

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
    """Every batch that is unfinished at this instant, put aside or not, each with its length
    before it.

    One whose body is gone by the time it is read was stored or split. What is stored is in the
    database, whose part is taken later; of what was split the parts are saved, until none of them
    is gone either. No part of a batch that is saved is saved beside it: the ledger's row says
    where it was split, and which of its parts are stored.
    """
    queue = BatchQueue(redis)
    saved: set[str] = set()
    gone: set[str] = set()
    unfinished = queue.snapshot().unfinished
    while unfinished:
        for batch in unfinished:
            fields: Any = redis.hgetall(BATCH_KEY + batch.id)
            if fields:
                saved.add(batch.id)
                encoded = _encoder.encode(SavedBatch(batch.id, batch.received_at, fields))
                yield len(encoded).to_bytes(4, "big") + encoded
            else:
                gone.add(batch.id)
        now_unfinished = queue.snapshot().unfinished if gone else []
        unfinished = [
            batch
            for batch in now_unfinished
            if batch.id not in saved | gone
            and not gone.isdisjoint(list_above(batch.id))
            and saved.isdisjoint(list_above(batch.id))
        ]


class QueueLoader:
    """Puts what was saved into a Redis without a queue, and takes all of it back with `abort`.

    Nothing else may write to the queue meanwhile. Every call may raise `redis.RedisError`.
    """

    def __init__(self, redis: Redis) -> None:
        self._redis = redis
        self._keys_before: bytes | None = None  # None: nothing was written yet
        self._batches: dict[str, PendingBatch] = {}
        self.newest_seq = 0

    @property
    def pending(self) -> list[PendingBatch]:
        """The batches that were loaded."""
        return list(self._batches.values())

    def load_keys(self, data: bytes) -> None:
        """Put the small keys back."""
        self._keys_before = save_keys(self._redis)
        self._write_keys(data)

    def load_batches(self, pieces: Iterator[bytes]) -> None:
        """Put saved batches back. They are sent when `requeue_stale_batches` finds them."""
        pipeline, waiting_bytes = self._redis.pipeline(transaction=True), 0
        for saved in _split(pieces):
            batch = msgspec.msgpack.decode(saved, type=SavedBatch)
            self._note(batch)  # before it is written: a write whose reply is lost is taken back
            fields: Any = {**batch.fields, b"attempts": b"0"}
            fields.pop(b"claimed_at", None)
            pipeline.hset(BATCH_KEY + batch.id, mapping=fields)
            pipeline.zadd(PENDING_KEY, {batch.id: batch.received_at})
            waiting_bytes += len(saved)
            if waiting_bytes >= WRITE_BYTES:  # one wait for the disk, and not one for each batch
                pipeline.execute()
                waiting_bytes = 0
        pipeline.execute()

    def set_counters(self, *, received_messages: int, received_batches: int) -> None:
        """Set the counters, so that the ledger balances with the loaded database."""
        pending_messages = sum(batch.messages_count for batch in self._batches.values())
        self._redis.hset(
            COUNTERS_KEY,
            mapping={
                "received_messages": received_messages,
                "received_batches": received_batches,
                "pending_messages": pending_messages,
            },
        )

    def abort(self) -> None:
        """Leave Redis as it was, so that the restore can be tried again."""
        if self._keys_before is None:
            return
        loaded = list(self._batches)
        for start in range(0, len(loaded), 1_000):
            ids = loaded[start : start + 1_000]
            pipeline = self._redis.pipeline(transaction=True)
            pipeline.delete(*(BATCH_KEY + batch_id for batch_id in ids))
            pipeline.zrem(PENDING_KEY, *ids)
            pipeline.execute()
        self._redis.delete(COUNTERS_KEY, BROKER_KEY, SESSIONS_KEY)
        self._write_keys(self._keys_before)

    def _note(self, batch: SavedBatch) -> None:
        count = int(batch.fields[b"messages"])
        self._batches[batch.id] = PendingBatch(batch.id, batch.received_at, count, 0, None)
        self.newest_seq = max(self.newest_seq, int(batch.fields.get(b"seq", 0)))

    def _write_keys(self, data: bytes) -> None:
        saved = msgspec.msgpack.decode(data, type=SavedKeys)
        pipeline = self._redis.pipeline(transaction=True)
        if saved.broker:
            pipeline.hset(BROKER_KEY, mapping=saved.broker)  # type: ignore[arg-type]
        if saved.sessions:
            pipeline.sadd(SESSIONS_KEY, *saved.sessions)
        pipeline.execute()


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
