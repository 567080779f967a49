"""Run one batch: claim, validate, store, finish; wait out what passes, split what does not."""

import random
import time
import traceback
from datetime import datetime

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
    is_batch_id,
)
from telemetry.core.retry import backoff_delay_s
from telemetry.queue.batches import BatchQueue, ClaimedBatch
from telemetry.queue.pools import note_progress, note_wait
from telemetry.store.db.errors import classify_error, is_transient
from telemetry.store.ingest.batch_store import BatchStore
from telemetry.store.ingest.ledger import AlreadyStoredError, BatchSplitError, choose_second_half
from workers.pool_guard import REQUESTED_SOURCES, PoolGuard
from workers.stopping import wait_unless_stopping

NOTE_EVERY_S = 1.0

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
    ) -> None:
        self._options = options
        self._queue = queue
        self._store = store
        self._guard = PoolGuard(options, queue.redis)
        self._pool = pool
        self._noted_s = float("-inf")
        self._left: list[str] = []  # batches left because Redis failed: their starts do not count

    def run(self, batch_id: str) -> None:
        """Bring a batch to its end, or leave it pending for `requeue_stale_batches`.

        Never raises for a fault of the database or of Redis: an exception would be an ack
        (pitfall C3), and the pending index, not the task, is what keeps the batch.
        """
        if not is_batch_id(batch_id):
            log.error("bad_batch_id", batch_id=str(batch_id)[:80])
            return
        try:
            while self._left:
                self._queue.release(self._left[-1])
                self._left.pop()
            batch = self._queue.claim(batch_id)
            if batch is None:
                self._check_gone(batch_id)
            else:
                self._run_claimed(batch)
        except (RedisError, QueueError) as error:
            self._left.append(batch_id)
            log.warning("batch_left_pending", batch_id=batch_id, error=str(error))

    def close(self) -> None:
        """Close the connections."""
        self._store.close()
        self._queue.redis.close()

    def _run_claimed(self, batch: ClaimedBatch) -> None:
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
                    self._store_batch(batch)
                return
            except BatchFormatError as error:
                # Never a dead letter: a newer bridge may have written it for newer workers.
                log.error("batch_unreadable", batch_id=batch.id, error=str(error))
                self._queue.release(batch.id)
                return
            except Exception as error:  # transient, or unknown and isolated
                if is_transient(error):
                    if not self._wait(batch, attempt, error):
                        return
                elif fault:  # not even the dead letter can be stored
                    raise
                else:
                    log.error("batch_fails", batch_id=batch.id, fault=classify_error(error))
                    fault = traceback.format_exc()

    def _store_batch(self, batch: ClaimedBatch) -> None:
        """The pipeline: read, validate, ask the reject guard, store, finish."""
        messages = batch.read_messages()
        validated_messages = self._store.validate(messages, received_at=batch.received_at)
        approval = self._guard.approve(batch.source, validated_messages, known=self._store.gateways)
        if approval.held:
            self._put_aside(batch, messages, approval.held)
            return
        try:
            stored = self._store.store(batch, messages, validated_messages)
        except AlreadyStoredError:
            log.info("batch_already_stored", batch_id=batch.id)
        except BatchSplitError as split:
            log.info("batch_already_split", batch_id=batch.id)
            self._queue.split(
                batch, messages, second_part=split.second_part, is_suspect=batch.is_suspect
            )
            return
        else:
            self._guard.note_stored(batch.source, approval.heard)
            self._note_presence(batch, stored.seen)
        self._finish(batch)

    def _note_presence(self, batch: ClaimedBatch, seen: dict[int, datetime]) -> None:
        if batch.source in REQUESTED_SOURCES:  # history says nothing of who is there now
            return
        try:
            self._store.note_presence(seen)
        except Exception as error:
            if not is_transient(error):
                raise
            log.warning("presence_skipped", batch_id=batch.id, error=str(error))

    def _put_aside(self, batch: ClaimedBatch, messages: list[RawMessage], held: list[int]) -> None:
        """Leave messages that the guard holds to later, and no process to wait for them. What
        other gateways sent in the same batch becomes a batch of its own and is stored."""
        if len(held) < len(messages):
            self._split(batch, messages, second_part=held)
            return
        log.warning("batch_held", batch_id=batch.id, messages=len(messages))
        self._note_presence(batch, self._store.list_heard(batch, messages))
        self._queue.hold(batch.id)

    def _isolate(self, batch: ClaimedBatch, fault: str, *, is_spent: bool) -> None:
        """Split a batch that cannot be stored, until the message that causes it is alone."""
        messages = batch.read_messages()
        if len(messages) > 1:
            if not is_spent and self._guard.holds_faults(batch.source):
                self._put_aside(batch, messages, list(range(len(messages))))
                return
            log.error("batch_split", batch_id=batch.id, messages=len(messages), detail=fault)
            half = choose_second_half(len(messages))
            self._split(batch, messages, second_part=half, is_suspect=True)
            return
        mac = self._store.find_gateway(messages[0])
        if self._guard.holds_rejected(batch.source, mac):
            self._put_aside(batch, messages, [0])
            return
        log.error("message_isolated", batch_id=batch.id, detail=fault)
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
            self._queue.split(batch, messages, second_part=second_part, is_suspect=is_suspect)

    def _wait(self, batch: ClaimedBatch, attempt: int, error: Exception) -> bool:
        """Wait out a fault that passes. False: the worker stops, the batch stays pending."""
        delay_s = backoff_delay_s(attempt, chance=random.random())
        reason = str(error).strip().splitlines()[0] if str(error).strip() else repr(error)
        log.warning(
            "batch_waits",
            batch_id=batch.id,
            attempt=attempt,
            delay_s=round(delay_s, 2),
            error=reason,
        )
        note_wait(self._queue.redis, self._pool, reason=reason)
        self._store.recover(error)
        if not wait_unless_stopping(delay_s):
            self._queue.release(batch.id)
            return False
        self._queue.touch(batch.id)
        return True

    def _finish(self, batch: ClaimedBatch) -> None:
        self._queue.finish(batch.id)
        now_s = time.monotonic()
        if now_s - self._noted_s >= NOTE_EVERY_S:
            self._noted_s = now_s
            note_progress(self._queue.redis, self._pool)

    def _check_gone(self, batch_id: str) -> None:
        """A task whose batch is gone: it was stored, or something is wrong."""
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
    queue = BatchQueue(connect_redis(options.queue.redis), app)
    return BatchRunner(options, queue, BatchStore(options), pool=pool)
