"""What metrics read from the database: the ledger bit by bit, the rest as it is now."""

import json
from datetime import datetime, timedelta
from typing import Any, LiteralString

from django.db import connection
from msgspec import Struct, field

from telemetry.store.db.sql import Queries


class Sql(Queries):
    sum_folded: LiteralString
    sum_ledger: LiteralString
    state: LiteralString
    tasks: LiteralString
    sums: LiteralString
    reading_lag: LiteralString


SETTLED = timedelta(minutes=3)
"""Rows this old have been committed: a statement of the ingest pool takes at most a minute."""
SAMPLE = 5_000
OUTCOMES = ("stored", "duplicate", "rejected")


class LedgerSums(Struct):
    """Sums over batches. Lists have one place more than the bounds: what is above all of them."""

    messages: list[int] = field(default_factory=lambda: [0, 0, 0])
    readings: list[int] = field(default_factory=lambda: [0, 0, 0])
    by_seconds: list[int] = field(default_factory=list)
    by_size: list[int] = field(default_factory=list)
    message_seconds: float = 0.0


class LedgerReader:
    """Adds up the ledger: all of it once, then what is new. Its sums never fall."""

    def __init__(self, *, seconds: tuple[float, ...], sizes: tuple[float, ...]) -> None:
        self._seconds, self._sizes = list(seconds), list(sizes)
        self._settled: LedgerSums | None = None
        self._until: datetime | None = None

    def read(self, now: datetime) -> LedgerSums:
        """The sums until now. Raises `DatabaseError`."""
        until = max(now - SETTLED, self._until or now - SETTLED)
        settled = self._add(self._settled or self._begin(), since=self._until, until=until)
        self._settled, self._until = settled, until
        return self._add(settled, since=until, until=None)

    def _begin(self) -> LedgerSums:
        [row] = _fetch(Sql.sum_folded)
        return LedgerSums(
            list(row[:3]), list(row[3:]), [0] * (len(self._seconds) + 1),
            [0] * (len(self._sizes) + 1),
        )  # fmt: skip

    def _add(
        self, sums: LedgerSums, *, since: datetime | None, until: datetime | None
    ) -> LedgerSums:
        bounds = {"seconds": self._seconds, "sizes": self._sizes, "since": since, "until": until}
        added = LedgerSums(
            [*sums.messages], [*sums.readings], [*sums.by_seconds], [*sums.by_size],
            sums.message_seconds,
        )  # fmt: skip
        for by_seconds, by_size, *row in _fetch(Sql.sum_ledger, bounds):
            added.messages = [a + b for a, b in zip(added.messages, row[:3], strict=True)]
            added.readings = [a + b for a, b in zip(added.readings, row[3:6], strict=True)]
            added.by_seconds[by_seconds] += sum(row[:3])
            added.by_size[by_size] += row[6]
            added.message_seconds += row[7]
        return added


class State(Struct, frozen=True):
    """The database now."""

    online: int
    offline: int
    dirty_hours: int
    alarms: dict[str, int]
    deliveries_waiting: int
    deliveries_failed: int
    connections: int
    connections_limit: int
    now: datetime


class TaskState(Struct, frozen=True):
    """A scheduled task. `run_ms` is None before its first run."""

    name: str
    success_age_s: float
    run_ms: int | None
    is_failing: bool


class SlowSums(Struct, frozen=True):
    """Dead letters (all ever, and waiting) by reason, open findings by rule, bytes."""

    dead_letters: dict[str, tuple[int, int]]
    findings: dict[str, int]
    database_bytes: int


def read_state() -> State:
    """Presence, dirty hours, alarms, connections. Raises `DatabaseError`."""
    [row] = _fetch(Sql.state)
    values: list[Any] = [*row[:3], _load(row[3]), *row[4:]]
    return State(*values)


def read_tasks() -> list[TaskState]:
    """The scheduled tasks. Raises `DatabaseError`."""
    return [TaskState(*row) for row in _fetch(Sql.tasks)]


def read_slow_sums() -> SlowSums:
    """What takes longer with many dead letters. Raises `DatabaseError`."""
    [(dead_letters, findings, size)] = _fetch(Sql.sums)
    by_reason = {name: (int(a), int(b)) for name, (a, b) in _load(dead_letters).items()}
    return SlowSums(by_reason, _load(findings), size)


def read_reading_lag() -> list[float]:
    """Quantiles 0.5, 0.95 and 0.99 in seconds, if there are readings. Raises `DatabaseError`."""
    [(quantiles,)] = _fetch(Sql.reading_lag, {"rows": SAMPLE})
    return list(quantiles or ())


def _load(value: Any) -> Any:
    """JSON, which Django's connection leaves as text."""
    return json.loads(value) if isinstance(value, str) else value


def _fetch(statement: str, parameters: dict[str, Any] | None = None) -> list[Any]:
    with connection.cursor() as cursor:
        cursor.execute(statement, parameters or {})
        return list(cursor.fetchall())
