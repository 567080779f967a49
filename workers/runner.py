"""Run one batch: claim, store, finish; wait out what passes, split what does not."""

import random
import time
import traceback
from datetime import timedelta
from functools import partial

import structlog
from celery import Celery
from kombu.exceptions import OperationalError as QueueError
from redis import RedisError

from config.options import IngestOptions
from config.queue import connect_redis
from telemetry.core.batch import (
    IMPORT_SOURCE,
    BatchFormatError,
    RawMessage,
    half_ids,
    is_batch_id,
)
from telemetry.core.judge import Contract
from telemetry.core.retry import backoff_delay_s
from telemetry.core.topic import compile_topic, parse_topic
from telemetry.queue.batches import BatchQueue, ClaimedBatch
from telemetry.queue.pools import note_progress, note_wait
from telemetry.store.batches import store_messages, store_refused_message
from telemetry.store.connection import Connection, open_connection
from telemetry.store.faults import is_transient, judge_fault, needs_new_session
from telemetry.store.ledger import AlreadyStoredError, is_batch_stored
from telemetry.store.presence import Presence
from telemetry.store.registry import Registry
from workers.guard import BatchHeldError
from workers.pool_guard import PoolGuard
from workers.stopping import wait_unless_stopping

NOTE_EVERY_S = 1.0

log = structlog.get_logger("workers.ingest")


class BatchRunner:
    """What one worker process keeps between batches: connections, the fleet, presence."""

    def __init__(self, options: IngestOptions, app: Celery, *, pool: str = "ingest") -> None:
        self._options = options
        self._pool = pool
        self._noted_s = float("-inf")
        self._queue = BatchQueue(connect_redis(options.queue.redis), app)
        self._connection: Connection | None = None
        self._registry = Registry(refresh_s=options.registry_refresh_s)
        self._presence = Presence(interval_s=options.presence_interval_s)
        self._guard = PoolGuard(options, self._queue.redis, self._registry)
        self._contract = Contract(
            topic_pattern=compile_topic(options.topic.prefix),
            payload_bytes=options.contract.payload_bytes,
            ahead=timedelta(seconds=options.contract.ahead_s),
            behind=timedelta(days=options.contract.behind_days),
            keep_raw=options.keep_raw,
        )

    def run(self, batch_id: str) -> None:
        """Bring a batch to its end, or leave it pending for `requeue_stale_batches`.

        Never raises for a fault of the database or of Redis: an exception would be an ack
        (pitfall C3), and the pending index, not the task, is what keeps the batch.
        """
        if not is_batch_id(batch_id):
            log.error("bad_batch_id", batch_id=str(batch_id)[:80])
            return
        try:
            batch = self._queue.claim(batch_id)
            if batch is None:
                self._check_gone(batch_id)
            else:
                self._run_claimed(batch)
        except (RedisError, QueueError) as error:
            log.warning("batch_left_pending", batch_id=batch_id, error=str(error))

    def close(self) -> None:
        """Close the connections."""
        if self._connection is not None:
            self._connection.close()
        self._queue.redis.close()

    def _run_claimed(self, batch: ClaimedBatch) -> None:
        try:
            messages = batch.read_messages()
        except BatchFormatError as error:
            # Never a dead letter: a newer bridge may have written it for newer workers.
            log.error("batch_unreadable", batch_id=batch.id, error=str(error))
            self._queue.release(batch.id)
            return
        if batch.attempts > self._limit_attempts(batch, messages):
            self._isolate(batch, messages, f"no end after {batch.attempts - 1} starts")
            return
        attempt = 0
        while True:
            attempt += 1
            try:
                self._store(batch, messages)
            except AlreadyStoredError:
                log.info("batch_already_stored", batch_id=batch.id)
            except Exception as error:  # judged below: transient, or unknown and isolated
                if not isinstance(error, BatchHeldError) and not is_transient(error):
                    log.error("batch_fails", batch_id=batch.id, fault=judge_fault(error))
                    self._isolate(batch, messages, traceback.format_exc())
                elif self._wait(batch, attempt, error):
                    continue
                return
            self._finish(batch)
            return

    def _limit_attempts(self, batch: ClaimedBatch, messages: list[RawMessage]) -> int:
        """Starts after which a batch counts as one that ends its worker. The halves of such a
        batch get one; the last message alone gets all again, before it becomes a dead letter."""
        is_half = "." in batch.id and len(messages) > 1
        return 1 if is_half else self._options.attempts

    def _store(self, batch: ClaimedBatch, messages: list[RawMessage]) -> None:
        connection = self._connect()
        stored = store_messages(
            connection,
            batch,
            messages,
            registry=self._registry,
            contract=self._contract,
            approve=partial(self._guard.approve, batch.source),
        )
        if batch.source == IMPORT_SOURCE:  # history says nothing of who is there now
            return
        try:
            self._presence.update(connection, stored.seen, now_s=time.monotonic())
        except Exception as error:
            if not is_transient(error):
                raise
            log.warning("presence_skipped", batch_id=batch.id, error=str(error))

    def _connect(self) -> Connection:
        if self._connection is not None and not self._connection.closed:
            return self._connection
        self._connection = open_connection(
            self._options.database.url,
            name="tds-ingest",
            statement_timeout_s=self._options.statement_timeout_s,
        )
        return self._connection

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
        if self._connection is not None and needs_new_session(error):
            self._connection.close()
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

    def _isolate(self, batch: ClaimedBatch, messages: list[RawMessage], detail: str) -> None:
        """Split a batch that cannot be stored, until the culprit stands alone."""
        if len(messages) > 1:
            log.error("batch_split", batch_id=batch.id, messages=len(messages), detail=detail)
            self._queue.split(batch, messages)
            return
        log.error("message_isolated", batch_id=batch.id, detail=detail)
        try:
            self._approve_refused(batch, messages[0])
            store_refused_message(self._connect(), batch, messages[0], detail=detail)
        except AlreadyStoredError:
            pass
        except Exception as error:
            if not isinstance(error, BatchHeldError) and not is_transient(error):
                raise
            log.warning("batch_left_pending", batch_id=batch.id, error=str(error))
            self._queue.touch(batch.id)
            return
        self._finish(batch)

    def _approve_refused(self, batch: ClaimedBatch, message: RawMessage) -> None:
        mac = parse_topic(message.topic, self._contract.topic_pattern)
        if mac is not None:
            self._registry.prepare(self._connect(), [mac], now_s=time.monotonic())
            self._guard.approve_refused(batch.source, mac)

    def _check_gone(self, batch_id: str) -> None:
        """A task whose batch is gone: it was stored, or something is wrong."""
        if self._queue.is_pending(half_ids(batch_id)):
            return
        try:
            if is_batch_stored(self._connect(), batch_id):
                return
        except Exception as error:
            if not is_transient(error):
                raise
            log.warning("batch_not_checked", batch_id=batch_id, error=str(error))
            return
        log.error("batch_missing", batch_id=batch_id)
