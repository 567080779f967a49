"""Put the lines of a file into the queue, each exactly once, also when it is ended in the middle.

The id of a batch is `<import>-<end>`: 12 random hex digits that all batches of one import share,
and the byte of the file after its last line. The producer is the file (its SHA-256). Redis keeps
the newest id of a producer in the same step that writes the batch: that is the import's position.
"""

import secrets
import time

from msgspec import Struct
from redis import Redis

from config.env import read_options
from config.options import MarkOptions
from telemetry.core.batch import IMPORT_SOURCE
from telemetry.imports.line_batches import LineBatch
from telemetry.queue.alarm import read_alarm
from telemetry.queue.batches import BatchQueue, pack_messages
from telemetry.queue.levels import Levels, choose_marks, read_levels
from telemetry.queue.pools import read_pools

PENDING_HIGH = 100_000  # messages: some 50 batches
LATE_PENDING = 10_000
LATE_S = 10.0
MEMORY_HIGH = 60.0  # percent of Redis's maxmemory
STALL_S = 10.0


class Position(Struct):
    """The position of an import: its part of the ids, the bytes that are sent, the newest id."""

    producer: str
    part: str
    end: int
    last_id: str

    @property
    def prefix(self) -> str:
        """How the ids of its batches begin."""
        return f"{self.part}-"


def find_position(queue: BatchQueue, sha256: str, *, is_again: bool) -> Position:
    """Where to go on with a file; at its beginning when nothing of it was sent within a week, or
    when it is to be sent again: then as an import of its own."""
    producer = f"{IMPORT_SOURCE}:{sha256[:24]}"
    last_id = queue.read_last(producer)
    if last_id and not is_again:
        part, _, end = last_id.partition("-")
        return Position(producer, part, int(end, 16), last_id)
    return Position(producer, f"{secrets.randbits(48):012x}", 0, last_id)


def put_batch(queue: BatchQueue, position: Position, batch: LineBatch) -> None:
    """Write a batch and see that a worker comes for it; `position` is after it then. Repeating it
    is harmless.

    Raises `OvertakenError` when another process is ahead with the same file, `redis.RedisError`,
    or `kombu.exceptions.OperationalError`.
    """
    batch_id = f"{position.part}-{batch.end:012x}"
    written = queue.write(
        batch_id,
        pack_messages(batch.messages),
        count=len(batch.messages),
        source=IMPORT_SOURCE,
        producer=position.producer,
        received_us=time.time_ns() // 1000,
        after=position.last_id,
    )
    position.last_id, position.end = batch_id, batch.end
    if written.needs_worker:
        queue.ring()


def find_hindrance(redis: Redis) -> str:
    """Why nothing may be put now; empty when it may.

    Live messages wait behind what is put: so less waits where the pool is slow.
    """
    held = read_alarm(redis)
    if held:
        return f"the ingest pool holds batches: {held} (if that is right: manage.py resume_ingest)"
    levels = read_levels(redis)
    marks = choose_marks(read_options(MarkOptions))
    return find_backlog(levels) or marks.find_pause_reason(levels, is_paused=True)


def find_backlog(levels: Levels) -> str:
    """The same by limits of our own, below the marks of the bridges unless those are set lower."""
    if levels.memory_percent > MEMORY_HIGH:
        return f"Redis's memory is {levels.memory_percent:.0f}% full"
    is_late = levels.oldest_s > LATE_S and levels.pending_messages >= LATE_PENDING
    if levels.pending_messages >= PENDING_HIGH or is_late:
        return f"{levels.pending_messages:,} messages wait to be stored"
    return ""


def find_stall(redis: Redis, *, since: float, now: float) -> str:
    """Why nothing is stored although we wait since then (Unix seconds); empty when something is."""
    if now - since < STALL_S:
        return ""
    pools = read_pools(redis)
    if any(now - pool.progress_at < STALL_S for pool in pools):
        return ""
    reasons = [pool.reason for pool in pools if pool.is_waiting and now - pool.waits_at < 60]
    if reasons:
        return f"the ingest pool waits: {reasons[0]}"
    return (
        f"nothing was stored for {STALL_S:.0f} s: expected a running worker pool "
        '"ingest"; manage.py pipeline_status says more'
    )
