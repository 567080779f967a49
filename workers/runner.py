"""Run batches: claim, validate, store, finish; wait out what passes, split what does not."""

import random
import time
import traceback
from datetime import datetime
from functools import partial
from itertools import chain

import structlog
from celery import Celery
from kombu.exceptions import OperationalError as QueueError
from redis import RedisError

from config.options import IngestOptions
from config.queue import connect_redis
from telemetry.core.batch import (
    BatchFormatError,
    RawMessage,
    half_ids,
)
from telemetry.core.retry import backoff_delay_s
from telemetry.core.tracebacks import list_frames
from telemetry.queue.batches import COUNTED, EXCESS, BatchQueue, ClaimedBatch
from telemetry.queue.pools import note_progress, note_wait
from telemetry.queue.stages import StageCounter, note_stages
from telemetry.queue.traces import open_tracer
from telemetry.store.db.errors import classify_error, is_transient
from telemetry.store.ingest.batch_store import BatchStore
from telemetry.store.ingest.ledger import AlreadyStoredError, BatchSplitError, choose_second_half
from telemetry.store.ingest.outcomes import ValidatedBatch
from workers.guard import Heard
from workers.lease import Lease
from workers.limits import RateLimits, reject_as_too_many
from workers.pool_guard import REQUESTED_SOURCES, PoolGuard
from workers.siblings import is_dead_sibling, name_owner
from workers.stages import StageWatch
from workers.stopping import is_stopping, wait_unless_stopping

NOTE_EVERY_S = 1.0
WATCH_EVERY_S = 1.0
WAIT_S = 1.0
IDLE_S = 10.0
"""A process for which no batch comes for so long ends its task."""
STAY_S = 60.0
"""A process that works for so long ends its task as well: Celery has a say between two."""

log = structlog.get_logger("workers.ingest")


class BatchRunner:
    """What one worker process keeps between batches: connections, the guard, what it noted."""

    def __init__(
        self,
        options: IngestOptions,
        queue: BatchQueue,
        store: BatchStore,
        *,
        pool: str = "ingest",
        stages: StageWatch | None = None,
    ) -> None:
        self._options = options
        self._queue = queue
        self._store = store
        self._guard = PoolGuard(options, queue.redis)
        self._limits = RateLimits(options.limits, queue.redis)
        self._pool = pool
        self._stages = stages or StageWatch()
        self._wait_s = min(WAIT_S, options.queue.redis.socket_timeout_s / 2)
        self._noted_s = self._watched_s = float("-inf")
        self._finished: list[str] = []  # stored batches that are still to be finished

    def run(self) -> None:
        """Store batches as they come, until none has come for a while.

        Never raises for a fault of the database or of Redis: what keeps a batch is its place
        in Redis and not a task.
        """
        now_s = time.monotonic()
        ends_at, idle_at = now_s + STAY_S, now_s + IDLE_S
        with Lease(self._queue):
            self._end_dead_siblings()
            while not is_stopping() and now_s < min(ends_at, idle_at):
                if self._claim_and_store(wait_s=self._wait_s):
                    idle_at = time.monotonic() + IDLE_S
                now_s = time.monotonic()
        self._leave()

    def _claim_and_store(self, *, wait_s: float) -> bool:
        """Claim what is ready and bring it to its end; whether there was anything."""
        batches: list[ClaimedBatch] = []
        try:
            self._watch()
            batches, gone = self._queue.claim(finished=self._finished, wait_s=wait_s)
            self._finished = []
            self._limits.forget()
            for batch_id in gone:
                self._check_gone(batch_id)
            if batches:
                self._stages.begin(batches)
                self._run_claimed(batches)
                self._note_progress()
        except (RedisError, QueueError) as error:
            # What was claimed goes back with the next call, or when the lease runs out.
            log.warning("batches_left", batches=len(batches), error=str(error))
            wait_unless_stopping(wait_s)
        return bool(batches)

    def _end_dead_siblings(self) -> None:
        """What they held is ready with the next look at the queue."""
        try:
            self._queue.end_owners(partial(is_dead_sibling, me=self._queue.owner))
        except RedisError as error:
            log.warning("siblings_unseen", error=str(error))

    def _watch(self) -> None:
        """Take over from dead workers, and call others when more waits than this one claims."""
        now_s = time.monotonic()
        if now_s - self._watched_s >= WATCH_EVERY_S:
            self._watched_s = now_s
            self._queue.watch()

    def _leave(self) -> None:
        """End as an owner of batches. What comes at this moment calls another process."""
        try:
            if self._finished:
                self._queue.finish(*self._finished)
                self._finished = []
            if self._stages.counter is not None:
                note_stages(self._queue.redis, self._stages.counter)
            self._queue.leave()
            self._queue.watch()
        except (RedisError, QueueError) as error:  # the lease runs out
            log.warning("lease_not_ended", error=str(error))
        if is_stopping():
            self._stages.flush()

    def close(self) -> None:
        """Close the connections."""
        self._store.close()
        self._queue.redis.close()

    def _run_claimed(self, batches: list[ClaimedBatch]) -> None:
        """Store batches together, as often as it takes; alone what cannot be stored so."""
        if len(batches) == 1:
            self._run_alone(batches[0])
            return
        attempt = 0
        while True:
            attempt += 1
            try:
                self._store_batches(batches)
                return
            except Exception as error:
                if not is_transient(error):
                    break
                if not self._wait(batches, attempt, error):
                    return
        for batch in batches:
            self._run_alone(batch)

    def _run_alone(self, batch: ClaimedBatch) -> None:
        """Store a batch, as often as it takes; isolate what cannot be stored."""
        # The halves of a batch that ended its worker too often get one start each; the last message
        # alone gets all again, before it becomes a dead letter.
        is_half = batch.is_suspect and batch.messages_count > 1
        is_spent = batch.attempts > (1 if is_half else self._options.attempts)
        fault = f"no end after {batch.attempts - 1} starts" if is_spent else ""
        attempt = 0
        while True:
            attempt += 1
            try:
                if fault:
                    self._isolate(batch, fault, is_spent=is_spent)
                else:
                    self._store_batches([batch])
                return
            except BatchFormatError as error:
                # Never a dead letter: a newer bridge may have written it for newer workers.
                log.error("batch_unreadable", batch_id=batch.id, error=str(error))
                self._queue.release(batch.id, is_ready=False)
                return
            except AlreadyStoredError:
                log.info("batch_already_stored", batch_id=batch.id)
                self._finish(batch)
                return
            except BatchSplitError as split:
                log.info("batch_already_split", batch_id=batch.id)
                self._queue.split(
                    batch,
                    batch.read_messages(),
                    second_part=split.second_part,
                    is_suspect=batch.is_suspect,
                    lane=batch.lane or COUNTED,  # what was excess is not asked again
                )
                return
            except Exception as error:  # transient, or unknown and isolated
                if is_transient(error):
                    if not self._wait([batch], attempt, error):
                        return
                elif fault:  # not even the dead letter can be stored
                    raise
                else:
                    log.error("batch_fails", batch_id=batch.id, fault=classify_error(error))
                    fault = traceback.format_exc()

    def _store_batches(self, batches: list[ClaimedBatch]) -> None:
        """The pipeline: read, validate, ask the reject guard and the limits, store, finish."""
        watch = self._stages.watch
        approved: list[tuple[ValidatedBatch, Heard]] = []
        for batch in list(batches):
            with watch("read", batch.id):
                messages = batch.read_messages()
            with watch("validate", batch.id):
                validated_messages = self._store.validate(messages, received_at=batch.received_at)
            with watch("guard", batch.id):
                approval = self._guard.approve(
                    batch.source, validated_messages, known=self._store.gateways
                )
            if approval.held:
                self._put_aside(batch, messages, approval.held)
                batches.remove(batch)
            else:
                validated = ValidatedBatch(batch, messages, validated_messages)
                approved.append((validated, approval.heard))
        with watch("limits"):
            parts = self._take_excess(batches, [validated for validated, _ in approved])
        if not parts:
            return
        with watch("store"):
            self._store.store(list(parts.values()))
        stored = [each for each in approved if each[0].batch.id in parts]
        for validated, heard in stored:
            self._guard.note_stored(validated.batch.source, heard)
        with watch("presence"):
            self._note_presence(*((each.batch, each.list_seen()) for each in parts.values()))
        self._stages.end(list(parts.values()))
        self._finish(*(batch for batch in batches if parts[batch.id].whole is None))
        for validated, _ in stored:
            part = parts[validated.batch.id]
            if part.whole is not None:
                self._queue.split(
                    part.whole,
                    validated.messages,
                    second_part=part.second_part,
                    lane=EXCESS,
                    is_first_stored=True,
                )

    def _take_excess(
        self, batches: list[ClaimedBatch], approved: list[ValidatedBatch]
    ) -> dict[str, ValidatedBatch]:
        """What to store now, by batch id: without what waits for all others. What is too much even
        for that is rejected. A batch of which all waits leaves this worker's hands."""
        found = self._limits.find_excess(approved)
        parts = {}
        for one in approved:
            excess = found.get(one.batch.id)
            if excess is None:
                parts[one.batch.id] = one
                continue
            if excess.rejected:
                reject_as_too_many(one.validated_messages, excess.rejected)
            if len(excess.waiting) == len(one.messages):
                self._queue.delay(one.batch.id)
                batches.remove(one.batch)
            else:
                parts[one.batch.id] = one.without(excess.waiting) if excess.waiting else one
        return parts

    def _note_presence(self, *heard: tuple[ClaimedBatch, dict[int, datetime]]) -> None:
        # What operators send says nothing of who is there now.
        live = [(batch, seen) for batch, seen in heard if batch.source not in REQUESTED_SOURCES]
        if not live:
            return
        try:
            self._store.note_presence(dict(chain(*(seen.items() for _, seen in live))))
        except Exception as error:
            if not is_transient(error):
                raise
            log.warning("presence_skipped", batch_id=live[0][0].id, error=str(error))

    def _put_aside(self, batch: ClaimedBatch, messages: list[RawMessage], held: list[int]) -> None:
        """Leave messages that the guard holds to later, and no process to wait for them. What
        other gateways sent in the same batch becomes a batch of its own and is stored."""
        if len(held) < len(messages):
            self._split(batch, messages, second_part=held)
            return
        log.warning("batch_held", batch_id=batch.id, messages=len(messages))
        self._note_presence((batch, self._store.list_heard(batch, messages)))
        self._queue.hold(batch.id)

    def _isolate(self, batch: ClaimedBatch, fault: str, *, is_spent: bool) -> None:
        """Split a batch that cannot be stored, until the message that causes it is alone."""
        messages = batch.read_messages()
        if len(messages) > 1:
            if not is_spent and self._guard.holds_faults(batch.source):
                self._put_aside(batch, messages, list(range(len(messages))))
                return
            log.error(
                "batch_split", batch_id=batch.id, messages=len(messages), detail=list_frames(fault)
            )
            half = choose_second_half(len(messages))
            self._split(batch, messages, second_part=half, is_suspect=True)
            return
        mac = self._store.find_gateway(messages[0])
        if self._guard.holds_rejected(batch.source, mac):
            self._put_aside(batch, messages, [0])
            return
        log.error("message_isolated", batch_id=batch.id, gateway=mac, detail=list_frames(fault))
        try:
            self._store.store_rejected(batch, messages[0], detail=fault)
        except AlreadyStoredError:
            log.info("batch_already_stored", batch_id=batch.id)
        self._finish(batch)

    def _split(
        self,
        batch: ClaimedBatch,
        messages: list[RawMessage],
        *,
        second_part: list[int],
        is_suspect: bool = False,
    ) -> None:
        """Split a batch in the ledger, then in Redis. Who was first says where."""
        is_suspect = is_suspect or batch.is_suspect
        try:
            second_part = self._store.split(batch, second_part=second_part)
        except AlreadyStoredError:
            log.info("batch_already_stored", batch_id=batch.id)
            self._finish(batch)
        else:
            self._queue.split(
                batch,
                messages,
                second_part=second_part,
                is_suspect=is_suspect,
                lane=batch.lane,
            )

    def _wait(self, batches: list[ClaimedBatch], attempt: int, error: Exception) -> bool:
        """Wait out a fault that passes. False: the worker stops, the batches stay pending."""
        delay_s = backoff_delay_s(attempt, chance=random.random())
        reason = str(error).strip().splitlines()[0] if str(error).strip() else repr(error)
        log.warning(
            "batch_waits",
            batch_id=batches[0].id,
            batches=len(batches),
            attempt=attempt,
            delay_s=round(delay_s, 2),
            error=reason,
        )
        note_wait(self._queue.redis, self._pool, reason=reason)
        self._store.recover(error)
        is_going_on = wait_unless_stopping(delay_s)
        for batch in batches:
            if is_going_on:
                self._queue.touch(batch.id)
            else:
                self._queue.release(batch.id)
        return is_going_on

    def _finish(self, *batches: ClaimedBatch) -> None:
        """With the next claim, in one round trip."""
        self._finished += [batch.id for batch in batches]

    def _note_progress(self) -> None:
        now_s = time.monotonic()
        if now_s - self._noted_s >= NOTE_EVERY_S:
            self._noted_s = now_s
            with self._stages.watch("redis"):
                note_progress(self._queue.redis, self._pool, counter=self._stages.counter)

    def _check_gone(self, batch_id: str) -> None:
        """A batch that was ready is gone: it was stored, or something is wrong."""
        if self._queue.is_pending(half_ids(batch_id)):
            return
        try:
            if self._store.is_stored(batch_id):
                return
        except Exception as error:
            if not is_transient(error):
                raise
            log.warning("batch_not_checked", batch_id=batch_id, error=str(error))
            self._store.recover(error)
            return
        log.error("batch_missing", batch_id=batch_id)


def open_runner(options: IngestOptions, app: Celery, *, pool: str = "ingest") -> BatchRunner:
    """A runner with the connections of the settings. `pool`: the name it reports progress under."""
    redis = connect_redis(options.queue.redis)
    queue = BatchQueue(redis, app, owner=name_owner(pool))
    stages = StageWatch(
        StageCounter() if options.counts_stages else None,
        open_tracer(options.traces, service="tds-ingest", instance=pool),
    )
    return BatchRunner(options, queue, BatchStore(options), pool=pool, stages=stages)
