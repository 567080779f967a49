"""Evaluate readings against the limits of their devices (README.md beside this).

One evaluation at a time. The rules are those of `telemetry/core/alarms.py`.
"""

from datetime import datetime, timedelta
from typing import Any, LiteralString

from msgspec import Struct

from telemetry.store.db.connection import Connection
from telemetry.store.db.locks import Lock, hold_lock
from telemetry.store.db.sql import Queries


class Sql(Queries):
    watch_devices: LiteralString
    evaluate_alarms: LiteralString


WAIT = timedelta(seconds=2)
"""Readings younger than this wait for the next run: workers store side by side, so one with an
earlier time may just be on its way. Those of the future wait until their time has come."""
HORIZON = timedelta(days=1)
"""Readings older than this are history and not evaluated."""
SWEEP = timedelta(minutes=5)
"""How often all devices are checked, not only those whose gateway was seen."""
UNSEEN = timedelta(minutes=2)
"""For how long a gateway may have sent without a later `last_seen`: it is written after the
readings, and not each time (PRESENCE_INTERVAL_S)."""
DEVICES_A_STEP = 2_000
READINGS_A_RUN = 10_000
"""Of one device; the rest in the next run."""


class Evaluated(Struct):
    """What a run did. `checked`: devices that may have had new readings; `evaluated`: those that
    had; `behind`: those with more than one run evaluates; `changed`: alarms opened or closed."""

    changed: int = 0
    opened: int = 0
    closed: int = 0
    checked: int = 0
    evaluated: int = 0
    behind: int = 0


class EvaluationBusyError(Exception):
    """Another evaluation is under way."""


class AlarmEvaluator:
    """Evaluates, and remembers when this process last did. Without it, it takes longer."""

    def __init__(self) -> None:
        self._evaluated_at: datetime | None = None
        self._swept_at: datetime | None = None

    def run(self, connection: Connection, *, now: datetime) -> Evaluated:
        """Evaluate every reading that came since the last run. Each step is a statement of its own.

        Raises `EvaluationBusyError` or `psycopg.Error`; repeating it is safe.
        """
        with hold_lock(connection, Lock.ALARMS, busy=EvaluationBusyError):
            seen_since = self._choose_seen_since(now)
            done = _evaluate(connection, now=now, seen_since=seen_since)
        self._evaluated_at = now
        if seen_since is None:
            self._swept_at = now
        if done.behind:
            self._swept_at = None
        return done

    def _choose_seen_since(self, now: datetime) -> datetime | None:
        """Devices of gateways seen since then may have new readings; None: all may."""
        if self._evaluated_at is None or self._swept_at is None or now >= self._swept_at + SWEEP:
            return None
        return self._evaluated_at - UNSEEN


def _evaluate(connection: Connection, *, now: datetime, seen_since: datetime | None) -> Evaluated:
    parameters = {"at": now, "until": now - WAIT, "horizon": now - HORIZON}
    watched: Any = connection.execute(
        Sql.watch_devices, {**parameters, "seen_since": seen_since}, prepare=False
    ).fetchone()
    ended, device_ids = watched
    done = Evaluated(closed=ended, checked=len(device_ids))
    for start in range(0, len(device_ids), DEVICES_A_STEP):
        step = {"device_ids": device_ids[start : start + DEVICES_A_STEP]}
        evaluated, behind, opened, closed = _evaluate_step(connection, {**parameters, **step})
        done.evaluated += evaluated
        done.behind += behind
        done.opened += opened
        done.closed += closed
    done.changed = done.opened + done.closed
    return done


def _evaluate_step(connection: Connection, parameters: dict[str, Any]) -> Any:
    with connection.transaction():
        # It reads the chunks of two days: to choose between them for each device takes longer than
        # to read both.
        connection.execute("SET LOCAL timescaledb.enable_runtime_exclusion = off")
        # Not prepared: the planner keeps to these chunks when it knows the bounds.
        return connection.execute(
            Sql.evaluate_alarms, {**parameters, "readings": READINGS_A_RUN}, prepare=False
        ).fetchone()
