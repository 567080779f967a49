"""Celery beat with django-celery-beat's database schedule, and a lock: two would send all twice."""

import json
import os
import socket
import time
from datetime import UTC, datetime
from typing import Any

import psycopg
import structlog
from django_celery_beat.schedulers import DatabaseScheduler
from redis import RedisError

from config.env import read_options
from config.options import DatabaseOptions, RedisOptions
from config.queue import connect_redis
from telemetry.core.batch import BEAT_KEY
from telemetry.store.db.connection import Connection, open_connection
from telemetry.store.db.locks import Lock, try_lock
from workers.schedule import ensure_schedule, reset_future_runs

RETRY_S = 2.0
SIGN_OF_LIFE_S = 30
CLOCK_JUMP_S = 1.0  # less is a clock that is being set right

log = structlog.get_logger("workers.beat")


class BeatLock:
    """A session-level advisory lock: held as long as its connection lives."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._connection: Connection | None = None
        self._is_ours = False

    def try_acquire(self) -> bool:
        """Whether the lock is ours now. A database that cannot be reached says no."""
        try:
            if self._connection is None or self._connection.closed:
                self._connection = open_connection(
                    self._url, name="tds-beat-lock", statement_timeout_s=10
                )
            self._is_ours = try_lock(self._connection, Lock.BEAT)
        except psycopg.Error as error:
            log.warning("beat_lock_unreachable", error=str(error).strip())
            return False
        return self._is_ours

    def is_held(self) -> bool:
        """Whether the lock is ours and the connection that holds it still lives."""
        if not self._is_ours or self._connection is None:
            return False
        try:
            self._connection.execute("SELECT 1")
        except psycopg.Error:
            self._is_ours = False
        return self._is_ours


class LockedScheduler(DatabaseScheduler):  # type: ignore[misc]
    """Beats only while it holds the lock; a second beat waits for it."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        self._lock = BeatLock(read_options(DatabaseOptions).url)
        self._redis = connect_redis(read_options(RedisOptions))
        self._told = ""
        self._ticked_at = 0.0
        super().__init__(*args, **kwargs)

    def setup_schedule(self) -> None:
        """Create missing entries; those that stand belong to the administrators."""
        log.info("schedule_ready", created=ensure_schedule())

    def tick(self, *args: Any, **kwargs: Any) -> float:
        """Send what is due, if the lock is ours; seconds until the next call.

        The wait for the lock is here and not at the start: beat's signal handler needs a
        scheduler, and would make a second one to wait beside the first.
        """
        if not self._lock.is_held():
            if not self._lock.try_acquire():
                self._tell("beat_waits")
                self._show_life("waiting")
                return RETRY_S
            self._tell("beat_lock_held")
            self._read_anew()  # another beat may have run meanwhile
        self._watch_clock()
        self._show_life("active")
        return float(super().tick(*args, **kwargs))

    def all_as_schedule(self) -> Any:
        """Every entry, none of them with a run in the future."""
        for name in reset_future_runs(now=datetime.now(UTC)):
            log.warning("future_run_taken_as_now", entry=name)
        return super().all_as_schedule()

    def _watch_clock(self) -> None:
        """After a jump back, what was due soon would wait until the clock is there again."""
        now = time.time()
        if now < self._ticked_at - CLOCK_JUMP_S:
            log.warning("clock_jumped_back", seconds=round(self._ticked_at - now, 1))
            self._read_anew()
        self._ticked_at = now

    def _read_anew(self) -> None:
        """Ask the database for the entries, and order them by when they are due."""
        self._initial_read = True
        self._heap = None

    def _tell(self, event: str) -> None:
        """Log a change of state once."""
        if event != self._told:
            log.info(event)
            self._told = event

    def _show_life(self, state: str) -> None:
        key = BEAT_KEY + state
        value = {"host": socket.gethostname(), "pid": os.getpid(), "at": time.time()}
        try:
            self._redis.set(key, json.dumps(value), ex=SIGN_OF_LIFE_S)
        except RedisError as error:
            log.warning("redis_unavailable", error=str(error))
