"""Judge readings against the limits of their devices (README.md beside this).

One judge at a time. What the readings come to is a function of them: `telemetry/core/alarms.py`.
"""

from datetime import datetime, timedelta
from typing import Any, LiteralString

from msgspec import Struct

from telemetry.store.db.connection import Connection
from telemetry.store.db.locks import Lock, hold_lock
from telemetry.store.db.sql import Queries


class Sql(Queries):
    watch_devices: LiteralString
    judge_alarms: LiteralString


SETTLE = timedelta(seconds=2)
"""Readings younger than this wait for the next run: workers store side by side, so one with an
earlier time may just be on its way. Those of the future wait until their time has come."""
HORIZON = timedelta(days=1)
"""Readings older than this are history, which tells nothing of now."""
SWEEP = timedelta(minutes=5)
"""So often all devices are looked at, not only those whose gateway was seen."""
UNSEEN = timedelta(minutes=2)
"""A gateway may have been heard of for so long without a later `last_seen`: it is written after the
readings, and not each time (PRESENCE_INTERVAL_S)."""
DEVICES_A_STEP = 2_000
READINGS_A_RUN = 10_000
"""So many of a device; the rest in the next run."""


class Judged(Struct):
    """What a run did. `looked`: devices that may have had new readings; `judged`: those that had;
    `behind`: those with more than a run judges; `changed`: alarms opened or closed."""

    changed: int = 0
    opened: int = 0
    closed: int = 0
    looked: int = 0
    judged: int = 0
    behind: int = 0


class JudgeBusyError(Exception):
    """Another judge is at work."""


class AlarmJudge:
    """Judges, and knows when this process last did: what it does not know costs looks, no alarm."""

    def __init__(self) -> None:
        self._judged_at: datetime | None = None
        self._swept_at: datetime | None = None

    def run(self, connection: Connection, *, now: datetime) -> Judged:
        """Judge every reading that came since the last run. Each step is a statement of its own.

        Raises `JudgeBusyError` or `psycopg.Error`; repeating it is safe.
        """
        with hold_lock(connection, Lock.ALARMS, busy=JudgeBusyError):
            seen_since = self._choose_seen_since(now)
            done = _judge(connection, now=now, seen_since=seen_since)
        self._judged_at = now
        if seen_since is None:
            self._swept_at = now
        if done.behind:
            self._swept_at = None
        return done

    def _choose_seen_since(self, now: datetime) -> datetime | None:
        """Devices of gateways seen since then may have new readings; None: all may."""
        if self._judged_at is None or self._swept_at is None or now >= self._swept_at + SWEEP:
            return None
        return self._judged_at - UNSEEN


def _judge(connection: Connection, *, now: datetime, seen_since: datetime | None) -> Judged:
    given = {"at": now, "until": now - SETTLE, "horizon": now - HORIZON}
    watched: Any = connection.execute(
        Sql.watch_devices, {**given, "seen_since": seen_since}, prepare=False
    ).fetchone()
    ended, device_ids = watched
    done = Judged(closed=ended, looked=len(device_ids))
    for start in range(0, len(device_ids), DEVICES_A_STEP):
        step = {"device_ids": device_ids[start : start + DEVICES_A_STEP]}
        judged, behind, opened, closed = _judge_step(connection, {**given, **step})
        done.judged += judged
        done.behind += behind
        done.opened += opened
        done.closed += closed
    done.changed = done.opened + done.closed
    return done


def _judge_step(connection: Connection, given: dict[str, Any]) -> Any:
    with connection.transaction():
        # It reads the chunks of two days: to choose between them for each device takes longer than
        # to look into both.
        connection.execute("SET LOCAL timescaledb.enable_runtime_exclusion = off")
        # Not prepared: the planner keeps to these chunks when it knows the bounds.
        return connection.execute(
            Sql.judge_alarms, {**given, "readings": READINGS_A_RUN}, prepare=False
        ).fetchone()
