"""The batches in Redis: claim check, pending index, counters, and the task that carries the id.

Used by the bridge, the workers and replay alike; imports no Django. Redis must run with
`appendfsync always` and `noeviction`: then a batch that was put is on disk.
"""

import secrets
import sys
import time
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from celery import Celery
from msgspec import Struct
from redis import Redis

from telemetry.core.batch import (
    BATCH_KEY,
    BROKER_KEY,
    COUNTERS_KEY,
    HELD_KEY,
    INGEST_QUEUE,
    LAST_KEY,
    LAST_PRIORITY,
    OPEN_KEY,
    PENDING_KEY,
    STORE_BATCH_TASK,
    BatchFormatError,
    RawMessage,
    decode_messages,
    encode_messages,
    half_ids,
    new_batch_id,
)

if sys.version_info >= (3, 14):  # pragma: no cover - the locks cover 3.11 to 3.14
    from compression import zstd
else:
    from backports import zstd

_LUA = Path(__file__).parent / "lua"
_ZSTD_LEVEL = 1


class ClaimedBatch(Struct, frozen=True):
    """A batch that a worker has started on. `attempts` counts this start.

    `is_suspect`: it is a part of one that could not be stored, and may be what ends its worker.
    """

    id: str
    source: str
    received_us: int
    messages_count: int
    seq: int
    attempts: int
    body: bytes
    is_suspect: bool = False

    @property
    def received_at(self) -> datetime:
        """When the batch was received, in UTC."""
        return datetime.fromtimestamp(self.received_us / 1_000_000, UTC)

    def read_messages(self) -> list[RawMessage]:
        """Unpack the body. Raises `BatchFormatError`."""
        try:
            body = zstd.decompress(self.body)
        except zstd.ZstdError as error:
            raise BatchFormatError(f"batch body cannot be decompressed: {error}") from error
        return decode_messages(body)


class PendingBatch(Struct, frozen=True):
    """A line of the pending index."""

    id: str
    received_at: float
    messages_count: int
    attempts: int
    claimed_at: float | None


class Snapshot(Struct, frozen=True):
    """The queue's books at one instant. `pending_messages` are those of `pending` alone."""

    received_messages: int
    received_batches: int
    pending_messages: int
    pending: list[PendingBatch]
    held: list[PendingBatch]

    @property
    def unfinished(self) -> list[PendingBatch]:
        """Every batch that is received and not stored yet, put aside or not."""
        return self.pending + self.held


class OvertakenError(Exception):
    """Another process has written batches of the same producer meanwhile."""


class Dropped(Struct, frozen=True):
    """Messages that the broker acknowledged and dropped (pitfall M1). `at`: Unix seconds."""

    messages: int
    at: float


class BrokerEvents(Struct, frozen=True):
    """What the broker refused, by kind and user (`denied_publish/gateway`), and how often it had
    lost a bridge's session. Times are Unix seconds of the last one; 0: there was none."""

    denied: dict[str, int]
    denied_at: float
    lost_sessions: int
    lost_at: float


class BatchQueue:
    """Puts, claims, finishes, splits and holds batches.

    Every call may raise `redis.RedisError`; every call may be repeated.
    """

    def __init__(self, redis: Redis, app: Celery | None = None) -> None:
        self.redis = redis
        self._app = app
        self._scripts = {
            path.stem: redis.register_script(path.read_text(encoding="utf-8"))
            for path in _LUA.glob("*.lua")
        }

    def put(self, messages: Sequence[RawMessage], *, source: str) -> str:
        """Store a batch and send its task; the id. For callers that do not retry."""
        batch_id = self.prepare(messages, source=source)
        self.send_task(batch_id, count=len(messages), source=source)
        return batch_id

    def prepare(self, messages: Sequence[RawMessage], *, source: str) -> str:
        """Store a batch without its task; the id. What comes of it is safe from here on: without
        `send_task` the batch is sent when it is stale."""
        batch_id = new_id()
        self.write(
            batch_id,
            pack_messages(list(messages)),
            count=len(messages),
            source=source,
            producer=f"{source}:{batch_id}",
            received_us=time.time_ns() // 1000,
        )
        return batch_id

    def write(
        self,
        batch_id: str,
        body: bytes,
        *,
        count: int,
        source: str,
        producer: str,
        received_us: int,
        after: str | None = None,
    ) -> bool:
        """Write the batch atomically. A producer that repeats its newest id changes nothing.

        With `after` the producer's newest id must be that one (empty: none), or nothing is written
        and `OvertakenError` is raised.
        """
        seq = self._scripts["put"](
            keys=[BATCH_KEY + batch_id, PENDING_KEY, COUNTERS_KEY, LAST_KEY + producer],
            args=[batch_id, source, received_us, count, body, *([] if after is None else [after])],
        )
        if seq == -1:
            raise OvertakenError(f"{producer}: another batch than {after!r} is its newest")
        return bool(seq)

    def read_last(self, producer: str) -> str:
        """The newest id of a producer; empty when it has written nothing for a week."""
        last: Any = self.redis.get(LAST_KEY + producer)
        return last.decode() if last else ""

    def list_pending(self, *, prefix: str) -> list[str]:
        """Ids of pending batches that begin so."""
        found = self.redis.zscan_iter(PENDING_KEY, match=f"{prefix}*", count=1_000)
        return sorted({batch_id.decode() for batch_id, _ in found})

    def send_task(self, batch_id: str, *, count: int, source: str, is_last: bool = False) -> None:
        """Send the task that carries the id; `is_last`: behind all others, those that are still to
        come included. Raises `kombu.exceptions.OperationalError`."""
        if self._app is None:
            raise RuntimeError("this BatchQueue was made without a Celery app")
        self._app.send_task(
            STORE_BATCH_TASK,
            args=(batch_id,),
            task_id=batch_id,
            queue=INGEST_QUEUE,
            argsrepr=f"({batch_id}: {count} messages from {source})",
            kwargsrepr="",
            ignore_result=True,
            retry=False,
            priority=LAST_PRIORITY if is_last else 0,
        )

    def claim(self, batch_id: str) -> ClaimedBatch | None:
        """Start on a batch; None when it is no longer pending."""
        fields: list[Any] = self._scripts["claim"](
            keys=self._keys_of(batch_id), args=[batch_id, time.time()]
        )
        if not fields:
            return None
        source, received_us, count, seq, attempts, body, is_suspect = fields
        return ClaimedBatch(
            batch_id,
            source.decode(),
            int(received_us),
            int(count),
            int(seq),
            int(attempts),
            body,
            is_suspect=bool(is_suspect),
        )

    def is_pending(self, batch_ids: Sequence[str]) -> bool:
        """Whether any of these batches is still to be stored."""
        return bool(self.redis.exists(*(BATCH_KEY + batch_id for batch_id in batch_ids)))

    def touch(self, batch_id: str) -> None:
        """Say that a worker waits with a claimed batch: it is not sent again, and its starts so
        far do not count as ends of a worker."""
        self._scripts["touch"](keys=[BATCH_KEY + batch_id], args=[time.time()])

    def finish(self, batch_id: str) -> None:
        """Forget a batch that the database holds."""
        self._scripts["finish"](keys=self._keys_of(batch_id), args=[batch_id])

    def hold(self, batch_id: str) -> None:
        """Put a claimed batch aside until `telemetry.queue.requeue` sends it again."""
        self._scripts["hold"](keys=self._keys_of(batch_id), args=[batch_id])

    def release(self, batch_id: str) -> None:
        """Give a claimed batch back without counting the attempt."""
        self._scripts["release"](keys=[BATCH_KEY + batch_id])

    def split(
        self,
        batch: ClaimedBatch,
        messages: list[RawMessage],
        *,
        second_part: Sequence[int],
        is_suspect: bool = False,
    ) -> None:
        """Put two parts in the place of a batch, and send both. `second_part` are the positions of
        the messages that make the second one: some, not all. The ledger must know of it before.
        `is_suspect`: one of the parts may be what ends its worker."""
        in_second = frozenset(second_part)
        parts = (
            [message for n, message in enumerate(messages) if n not in in_second],
            [message for n, message in enumerate(messages) if n in in_second],
        )
        ids = half_ids(batch.id)
        args: list[Any] = [batch.id, "1" if is_suspect else ""]
        for part_id, part in zip(ids, parts, strict=True):
            args += [part_id, len(part), pack_messages(part)]
        is_split = self._scripts["split"](
            keys=[BATCH_KEY + batch.id, PENDING_KEY, *(BATCH_KEY + part_id for part_id in ids)],
            args=args,
        )
        if not is_split:  # another worker has split, stored or held it meanwhile
            return
        for part_id, part in zip(ids, parts, strict=True):
            self.send_task(part_id, count=len(part), source=batch.source)

    def note_dropped(self, count: int) -> int:
        """Note what the broker says it has dropped since it started; how many of them are new."""
        return self._note_counter(count, "dropped", "last", "dropped_at")

    def note_denied(self, name: str, count: int) -> int:
        """Note what the broker says it has refused since it started; how many of them are new."""
        return self._note_counter(count, name, f"last:{name}", f"at:{name}")

    def _note_counter(self, count: int, *fields: str) -> int:
        return int(self._scripts["count"](keys=[BROKER_KEY], args=[count, time.time(), *fields]))

    def note_session(self, client_id: str, *, is_kept: bool) -> bool:
        """Note that a bridge's session is open; whether the broker has lost the one of before."""
        return bool(
            self._scripts["session"](
                keys=[OPEN_KEY, BROKER_KEY], args=[client_id, int(is_kept), time.time()]
            )
        )

    def read_dropped(self) -> Dropped:
        """What the broker has dropped so far."""
        count, at = self.redis.hmget(BROKER_KEY, ["dropped", "dropped_at"])
        return Dropped(int(count or 0), float(at or 0))

    def read_broker_events(self) -> BrokerEvents:
        """What the broker has refused and lost so far."""
        found: Any = self.redis.hgetall(BROKER_KEY)
        values = {name.decode(): value for name, value in found.items()}
        names = sorted(name for name in values if "/" in name and f"at:{name}" in values)
        times = [float(values[f"at:{name}"]) for name in names if name.startswith("denied")]
        return BrokerEvents(
            denied={name: int(values[name]) for name in names},
            denied_at=max(times, default=0.0),
            lost_sessions=int(values.get("lost_sessions", 0)),
            lost_at=float(values.get("lost_sessions_at", 0)),
        )

    def count_held(self) -> int:
        """Batches that are put aside."""
        return int(self.redis.zcard(HELD_KEY))

    def list_held(self, *, limit: int) -> list[str]:
        """Ids of batches that are put aside, the oldest first."""
        ids: Any = self.redis.zrange(HELD_KEY, 0, limit - 1)
        return [batch_id.decode() for batch_id in ids]

    def sample_held(self) -> list[str]:
        """The oldest, the newest and any other id of what is put aside."""
        pipeline = self.redis.pipeline(transaction=False)
        pipeline.zrange(HELD_KEY, 0, 0)
        pipeline.zrange(HELD_KEY, -1, -1)
        pipeline.zrandmember(HELD_KEY, 1)
        return sorted({batch_id.decode() for ids in pipeline.execute() for batch_id in ids})

    def oldest_pending_at(self) -> float | None:
        """When the oldest pending batch was received, in Unix seconds."""
        first: Any = self.redis.zrange(PENDING_KEY, 0, 0, withscores=True)
        return first[0][1] if first else None

    def snapshot(self, *, with_held: bool = True) -> Snapshot:
        """Counters and indexes, read in one step. It costs Redis 9 us a batch, during which it
        answers nobody: what is put aside can be many, so ask for it when it is needed."""
        indexes = [PENDING_KEY, HELD_KEY] if with_held else [PENDING_KEY]
        counters, pending, held = self._scripts["snapshot"](
            keys=[COUNTERS_KEY, *indexes], args=[BATCH_KEY]
        )
        messages, batches, pending_messages = (int(counter or 0) for counter in counters)
        return Snapshot(
            messages,
            batches,
            pending_messages,
            [_read_pending(row) for row in pending],
            [_read_pending(row) for row in held],
        )

    def _keys_of(self, batch_id: str) -> list[str]:
        return [BATCH_KEY + batch_id, PENDING_KEY, HELD_KEY, COUNTERS_KEY]


def _read_pending(row: list[Any]) -> PendingBatch:
    batch_id, score, count, attempts, claimed_at = row
    return PendingBatch(
        batch_id.decode(),
        float(score),
        int(count or 0),
        int(attempts or 0),
        float(claimed_at) if claimed_at else None,
    )


def new_id() -> str:
    """A fresh batch id."""
    return new_batch_id(now_us=time.time_ns() // 1000, entropy=secrets.randbits(48))


def pack_messages(messages: list[RawMessage]) -> bytes:
    """The compressed body of a batch."""
    return zstd.compress(encode_messages(messages), _ZSTD_LEVEL)
