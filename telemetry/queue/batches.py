"""The batches in Redis: bodies, pending index, counters, and who holds which batch.

A batch that is written is `ready`: workers claim what is ready, several batches at once, and go on
while there is more. So a batch needs no Celery task: one task calls a worker process, and `ring`
sends it when nobody is there to claim. What a worker has claimed is its own while it renews its
lease; `watch` makes what a dead one held ready again.

Used by the bridge, the workers and replay alike; imports no Django. Redis must run with
`appendfsync always` and `noeviction`: then a batch that was put is on disk.
"""

import secrets
import sys
import time
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from celery import Celery
from msgspec import Struct
from redis import Redis
from redis.exceptions import NoScriptError, RedisError

from telemetry.core.batch import (
    BATCH_KEY,
    BROKER_KEY,
    CLAIMS_KEY,
    COUNTERS_KEY,
    HELD_KEY,
    INGEST_QUEUE,
    LAST_KEY,
    OPEN_KEY,
    OWNERS_KEY,
    PENDING_KEY,
    READY_KEY,
    RETRY_KEY,
    STORE_BATCHES_TASK,
    WAKE_KEY,
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

LEASE_S = 6
"""After so long without a renewal an owner counts as dead."""
WAIT_MS = 1_000
"""Replicas that take longer to bring a batch to disk do not have it."""
CLAIM_MESSAGES = 2_000
"""At most so many are claimed at once, unless one batch has more."""


COUNTED, EXCESS = "counted", "excess"
"""Lanes of a batch that is not asked about limits (any more)."""

Call = tuple[str, list[str], list[Any]]  # a script, its keys and arguments


class ClaimedBatch(Struct, frozen=True):
    """A batch that a worker has started on. `attempts` counts this start, if it is alone.

    `is_suspect`: it is a part of one that could not be stored, and may be what ends its worker.
    `lane`: empty, `EXCESS` for what waits for all others, or `COUNTED` for what else no limit
    holds any more.
    """

    id: str
    source: str
    received_us: int
    messages_count: int
    seq: int
    attempts: int
    body: bytes
    is_suspect: bool = False
    lane: str = ""

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


class Written(Struct, frozen=True):
    """What came of a write. `is_new`: it was not written before; `storing_s`: how long the batch
    that was stored last took, from its write on."""

    is_new: bool
    needs_worker: bool
    storing_s: float


class OvertakenError(Exception):
    """Another process has written batches of the same producer meanwhile."""


class NotReplicatedError(RedisError):
    """Redis has the batch, and fewer replicas than wanted. Writing it again is safe."""


class Dropped(Struct, frozen=True):
    """Messages that the broker acknowledged and dropped. `at`: Unix seconds."""

    messages: int
    at: float


class Denial(Struct, frozen=True):
    """What the broker refused one user: `denied_publish` and other kinds, how often, when last."""

    kind: str
    count: int
    at: float


class BrokerEvents(Struct, frozen=True):
    """What the broker refused, by kind and user (`denied_publish/gateway`), and how often it had
    lost a bridge's session. Times are Unix seconds of the last one; 0: there was none."""

    denials: dict[str, int]
    denied_at: float
    lost_sessions: int
    lost_at: float


class BatchQueue:
    """Puts, claims, finishes, splits and holds batches.

    Every call may raise `redis.RedisError`; every call may be repeated. `owner` names a process
    that claims.
    """

    def __init__(
        self, redis: Redis, app: Celery | None = None, *, owner: str = "", wait_replicas: int = 0
    ) -> None:
        """`wait_replicas`: of Redis, that must have what is written on disk as well."""
        self.redis = redis
        self._wait_replicas = wait_replicas
        self.owner = owner
        self._app = app
        self._scripts = {
            path.stem: redis.register_script(path.read_text(encoding="utf-8"))
            for path in _LUA.glob("*.lua")
        }

    def put(self, messages: Sequence[RawMessage], *, source: str, is_ready: bool = True) -> str:
        """Write a batch and see that a worker comes for it; the id. For callers that do not
        retry. Raises `kombu.exceptions.OperationalError` as well.

        Not `is_ready`: no worker has it before `offer`; without that it is found when it is stale.
        """
        batch_id = new_id()
        written = self.write(
            batch_id,
            pack_messages(list(messages)),
            count=len(messages),
            source=source,
            producer=f"{source}:{batch_id}",
            received_us=time.time_ns() // 1000,
            is_ready=is_ready,
        )
        if written.needs_worker:
            self.ring()
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
        is_ready: bool = True,
    ) -> Written:
        """Write the batch atomically; `ring` must call a worker for it if it needs one. A producer
        that repeats its newest id changes nothing.

        With `after` the producer's newest id must be that one (empty: none), or nothing is written
        and `OvertakenError` is raised. Raises `NotReplicatedError` as well.
        """
        seq, *rest = self._put(
            keys=[
                BATCH_KEY + batch_id,
                PENDING_KEY,
                COUNTERS_KEY,
                LAST_KEY + producer,
                READY_KEY,
                WAKE_KEY,
                OWNERS_KEY,
                INGEST_QUEUE,
            ],
            args=[
                *(batch_id, source, received_us, count, body, "1" if is_ready else ""),
                *([] if after is None else [after]),
            ],
        )
        if seq == -1:
            raise OvertakenError(f"{producer}: another batch than {after!r} is its newest")
        storing_us, *waiting = rest
        return Written(bool(seq), _needs_worker(*waiting), max(0, storing_us) / 1_000_000)

    def _put(self, *, keys: list[str], args: list[Any]) -> Any:
        """Run the script that writes, and wait for the replicas on the same connection."""
        script = self._scripts["put"]
        if not self._wait_replicas:
            return script(keys=keys, args=args)
        pipeline = self.redis.pipeline(transaction=False)
        pipeline.script_load(script.script)  # a replica that was promoted does not know it
        pipeline.evalsha(script.sha, len(keys), *keys, *args)
        pipeline.waitaof(0, self._wait_replicas, WAIT_MS)
        _, answer, (_, replicas) = pipeline.execute()
        if replicas < self._wait_replicas:
            raise NotReplicatedError(
                f"{replicas} replicas of Redis have the batch after {WAIT_MS} ms: expected "
                f"{self._wait_replicas} (REDIS_WAIT_REPLICAS)"
            )
        return answer

    def offer(self, batch_ids: Sequence[str], *, is_last: bool = False) -> int:
        """Let workers have unfinished batches that nobody holds; how many these were. `is_last`:
        after all others, those that are still to come included."""
        offered = self._scripts["offer"](
            keys=[RETRY_KEY if is_last else READY_KEY, WAKE_KEY, OWNERS_KEY, READY_KEY, RETRY_KEY],
            args=[CLAIMS_KEY, BATCH_KEY, *batch_ids],
        )
        self.watch()
        return int(offered)

    def watch(self) -> None:
        """Make ready what dead owners held, and call a worker if batches wait for one."""
        waiting = self._scripts["watch"](
            keys=[OWNERS_KEY, READY_KEY, RETRY_KEY, WAKE_KEY, INGEST_QUEUE], args=[CLAIMS_KEY]
        )
        if _needs_worker(*waiting):
            self.ring()

    def ring(self) -> None:
        """Call a worker process with a Celery task. Raises `kombu.exceptions.OperationalError`."""
        if self._app is None:
            raise RuntimeError("this BatchQueue was made without a Celery app")
        self._app.send_task(STORE_BATCHES_TASK, queue=INGEST_QUEUE, ignore_result=True, retry=False)

    def read_last(self, producer: str) -> str:
        """The newest id of a producer; empty when it has written nothing for a week."""
        last: Any = self.redis.get(LAST_KEY + producer)
        return last.decode() if last else ""

    def list_pending(self, *, prefix: str) -> list[str]:
        """Ids of pending batches that begin so."""
        found = self.redis.zscan_iter(PENDING_KEY, match=f"{prefix}*", count=1_000)
        return sorted({batch_id.decode() for batch_id, _ in found})

    def claim(
        self,
        *,
        finished: Sequence[str] = (),
        wait_s: float = 0,
        most_messages: int = CLAIM_MESSAGES,
    ) -> tuple[list[ClaimedBatch], list[str]]:
        """Finish batches, wait for others, and start on those; and the ids of ready ones that are
        gone. All in one round trip."""
        calls: list[Call] = [self._finishing(finished)] if finished else []
        keys = [READY_KEY, RETRY_KEY, WAKE_KEY, self._claims_key]
        keys += [OWNERS_KEY, HELD_KEY, PENDING_KEY, COUNTERS_KEY]
        calls.append(("claim", keys, [self.owner, LEASE_S, most_messages, BATCH_KEY, time.time()]))
        pipeline = self.redis.pipeline(transaction=False)
        for name, keys, args in calls:
            if wait_s and name == "claim":
                pipeline.brpop([WAKE_KEY], wait_s)
            pipeline.evalsha(self._scripts[name].sha, len(keys), *keys, *args)
        try:
            found, gone = pipeline.execute()[-1]
        except NoScriptError:  # Redis was started again
            for name, keys, args in calls:
                found, gone = self._run(name, keys, args) or ([], [])
        return [_read_claimed(row) for row in found], [batch_id.decode() for batch_id in gone]

    def renew(self) -> None:
        """Say that the owner lives."""
        self._scripts["renew"](keys=[OWNERS_KEY], args=[self.owner, LEASE_S])

    def end_owners(self, is_dead: Callable[[str], bool]) -> None:
        """Let the leases of owners run out at once."""
        owners: Any = self.redis.zrange(OWNERS_KEY, 0, -1)
        dead = [owner for owner in owners if is_dead(owner.decode())]
        if dead:
            self.redis.zadd(OWNERS_KEY, dict.fromkeys(dead, 0), xx=True)

    def leave(self) -> None:
        """End the owner, unless it still holds a batch."""
        self._scripts["leave"](keys=[OWNERS_KEY, self._claims_key], args=[self.owner])

    def is_pending(self, batch_ids: Sequence[str]) -> bool:
        """Whether any of these batches is still to be stored."""
        return bool(self.redis.exists(*(BATCH_KEY + batch_id for batch_id in batch_ids)))

    def touch(self, batch_id: str) -> None:
        """Say that a worker waits with a claimed batch: its starts so far do not count as ends of
        a worker."""
        self._scripts["touch"](keys=[BATCH_KEY + batch_id], args=[time.time()])

    def finish(self, *batch_ids: str) -> None:
        """Delete batches that the database holds."""
        self._run(*self._finishing(batch_ids))

    def _finishing(self, batch_ids: Sequence[str]) -> Call:
        keys = [PENDING_KEY, HELD_KEY, COUNTERS_KEY, self._claims_key]
        return "finish", keys, [BATCH_KEY, *batch_ids]

    def hold(self, batch_id: str) -> None:
        """Put a claimed batch aside until `telemetry.queue.requeue` offers it again."""
        self._scripts["hold"](
            keys=[
                *(BATCH_KEY + batch_id, PENDING_KEY, HELD_KEY, COUNTERS_KEY),
                self._claims_key,
            ],
            args=[batch_id],
        )

    def delay(self, batch_id: str) -> None:
        """Give a claimed batch back without counting the attempt, as excess: it waits for all
        others."""
        self._scripts["delay"](
            keys=[BATCH_KEY + batch_id, self._claims_key, RETRY_KEY, WAKE_KEY], args=[batch_id]
        )

    def release(self, batch_id: str, *, is_ready: bool = True) -> None:
        """Give a claimed batch back without counting the attempt. Not `is_ready`: it is offered
        again when it is stale."""
        self._scripts["release"](
            keys=[BATCH_KEY + batch_id, self._claims_key, READY_KEY, WAKE_KEY],
            args=[batch_id, "1" if is_ready else ""],
        )

    def split(
        self,
        batch: ClaimedBatch,
        messages: list[RawMessage],
        *,
        second_part: Sequence[int],
        is_suspect: bool = False,
        lane: str = "",
        is_first_stored: bool = False,
    ) -> None:
        """Put two parts in the place of a batch, both ready, or the second one alone when the
        first one is stored. `second_part` are the positions of the messages that make the second
        one: some, not all. The ledger must know of it before. `is_suspect`: one of the parts may be
        what ends its worker. `lane`: of the parts."""
        in_second = frozenset(second_part)
        parts = (
            [message for n, message in enumerate(messages) if n not in in_second],
            [message for n, message in enumerate(messages) if n in in_second],
        )
        parts_by_id = dict(zip(half_ids(batch.id), parts, strict=True))
        if is_first_stored:
            del parts_by_id[half_ids(batch.id)[0]]
        args: list[Any] = [batch.id, "1" if is_suspect else "", lane]
        for part_id, part in parts_by_id.items():
            args += [part_id, len(part), pack_messages(part)]
        self._scripts["split"](
            keys=[
                *(BATCH_KEY + batch.id, PENDING_KEY, COUNTERS_KEY, self._claims_key),
                *(RETRY_KEY if lane == EXCESS else READY_KEY, WAKE_KEY),
                *(BATCH_KEY + part_id for part_id in parts_by_id),
            ],
            args=args,
        )

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
            denials={name: int(values[name]) for name in names},
            denied_at=max(times, default=0.0),
            lost_sessions=int(values.get("lost_sessions", 0)),
            lost_at=float(values.get("lost_sessions_at", 0)),
        )

    def read_denials(self, user: str) -> list[Denial]:
        """What the broker has refused this user so far, the newest first. Gateways' users are named
        by their MAC."""
        found: Any = self.redis.hgetall(BROKER_KEY)
        values = {name.decode(): value for name, value in found.items()}
        denials = [
            Denial(name.partition("/")[0], int(values[name]), float(values[f"at:{name}"]))
            for name in values
            if name.startswith("denied")
            and name.partition("/")[2] == user
            and f"at:{name}" in values
        ]
        return sorted(denials, key=lambda denial: -denial.at)

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

    def _run(self, name: str, keys: list[str], args: list[Any]) -> Any:
        return self._scripts[name](keys=keys, args=args)

    @property
    def _claims_key(self) -> str:
        return CLAIMS_KEY + self.owner


def _needs_worker(waiting: int, owners: int, tasks: int) -> bool:
    """Whether a task must call a worker process: batches wait that those who work do not claim at
    once, and no task is on its way."""
    return not tasks and waiting > min(owners, 1)


def _read_claimed(row: list[Any]) -> ClaimedBatch:
    batch_id, source, received_us, count, seq, attempts, body, is_suspect, lane = row
    return ClaimedBatch(
        batch_id.decode(),
        source.decode(),
        int(received_us),
        int(count),
        int(seq),
        int(attempts),
        body,
        is_suspect=bool(is_suspect),
        lane=(lane or b"").decode(),
    )


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
