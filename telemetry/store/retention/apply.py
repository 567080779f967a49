"""Apply the retention settings: drop what is too old, compress what is old (Community).

One step at a time under the refreshers' lock, so that no refresh reads what is being dropped. The
cutoffs and their reasons: `telemetry.core.retention`.
"""

import time
from collections.abc import Callable
from datetime import datetime
from typing import Any

import psycopg
from msgspec import Struct

from config.options import RetentionOptions
from telemetry.core.retention import (
    find_aggregate_cutoff,
    find_contradictions,
    find_horizon,
    find_raw_cutoff,
)
from telemetry.store.aggregates.refresh import RefreshBusyError
from telemetry.store.db.connection import Connection
from telemetry.store.db.edition import read_edition
from telemetry.store.db.locks import Lock, hold_lock
from telemetry.store.retention.chunks import (
    CalendarChangePendingError,
    Chunk,
    drop_reading_chunk,
    has_dirty_accounts,
    list_chunks,
    lock_calendars,
    read_horizon,
    record_drop,
)
from telemetry.store.retention.compression import (
    compress_chunk,
    enable_compression,
    list_compressible,
)

DEVICES_A_STEP = 1_000
CALENDAR_CHANGE_PENDING = "the days of an account must be computed again first"
COMMUNITY_ONLY = "compression needs TimescaleDB Community; this is the Apache edition"


class RetentionRuleError(Exception):
    """The settings contradict each other; nothing is dropped. The text is one line."""


class RetentionPlan(Struct):
    """What is due. `waits`: why something that is old enough is not dropped yet;
    `unavailable`: what this edition cannot do."""

    edition: str
    raw: list[Chunk] = []
    raw_cutoff: datetime | None = None
    aggregates_before: datetime | None = None
    compress: list[Chunk] = []
    waits: str = ""
    unavailable: str = ""


class RetentionResult(Struct):
    """What was done. `left`: steps (chunks, groups of devices) for which there was no time."""

    edition: str
    chunks: int = 0
    readings: int = 0
    aggregates: int = 0
    compressed: int = 0
    left: int = 0
    waits: str = ""
    unavailable: str = ""


def plan_retention(
    connection: Connection, *, options: RetentionOptions, now: datetime
) -> RetentionPlan:
    """What is due at `now` (UTC). Changes nothing. Raises `RetentionRuleError`."""
    contradictions = find_contradictions(
        behind_days=options.behind_days,
        raw_days=options.raw_days,
        aggregate_days=options.aggregate_days,
        compress_after_days=options.compress_after_days,
    )
    if contradictions:
        raise RetentionRuleError(contradictions[0].text)
    with connection.cursor() as cursor:
        plan = RetentionPlan(read_edition(cursor))
    if options.raw_days:
        _plan_raw(connection, plan, options, now)
    horizon = find_horizon(plan.raw[-1].end) if plan.raw else None
    plan.aggregates_before = _find_aggregates_before(connection, options, now, horizon=horizon)
    if options.compress_after_days and plan.edition != "community":
        plan.unavailable = COMMUNITY_ONLY
    elif options.compress_after_days:
        plan.compress = list_compressible(
            connection, now=now, after_days=options.compress_after_days, dropped_to=plan.raw_cutoff
        )
    return plan


def apply_retention(
    connection: Connection,
    *,
    options: RetentionOptions,
    now: datetime,
    budget_s: float | None = None,
    progress: Callable[[str], None] = lambda _: None,
) -> RetentionResult:
    """Do what is due. Outside a transaction; repeating it is safe, also after a kill.

    No step is begun after `budget_s`. `progress` gets a line for each. Raises `RetentionRuleError`,
    `psycopg.Error`, and `RefreshBusyError` when a refresh outlasts the connection's lock_timeout.
    """
    with hold_lock(connection, Lock.REFRESH, busy=RefreshBusyError, is_patient=True):
        plan = plan_retention(connection, options=options, now=now)
        done = RetentionResult(plan.edition, waits=plan.waits, unavailable=plan.unavailable)
        end_s = None if budget_s is None else time.monotonic() + budget_s
        _drop_raw(connection, plan, done, end_s=end_s, progress=progress)
        # Computed again: not every planned chunk may have been dropped.
        before = _find_aggregates_before(connection, options, now, horizon=None)
        if before is not None:
            try:
                _drop_aggregates(connection, done, before=before, end_s=end_s)
            except CalendarChangePendingError:
                done.waits = f"old aggregates wait: {CALENDAR_CHANGE_PENDING}"
        _compress(connection, plan, done, end_s=end_s, progress=progress)
        return done


def _plan_raw(
    connection: Connection, plan: RetentionPlan, options: RetentionOptions, now: datetime
) -> None:
    row: Any = connection.execute("SELECT min(hour) FROM dirty_hour").fetchone()
    wanted = find_raw_cutoff(now=now, raw_days=options.raw_days, oldest_dirty=None)
    plan.raw_cutoff = find_raw_cutoff(now=now, raw_days=options.raw_days, oldest_dirty=row[0])
    due = list_chunks(connection, "reading", before=wanted)
    if due and has_dirty_accounts(connection):
        plan.waits = f"{len(due)} chunks wait: {CALENDAR_CHANGE_PENDING}"
        return
    plan.raw = [chunk for chunk in due if chunk.end <= plan.raw_cutoff]
    if len(plan.raw) < len(due):
        plan.waits = (
            f"{len(due) - len(plan.raw)} chunks wait for the refresh of the hour "
            f"{row[0]:%Y-%m-%d %H:%M} UTC"
        )


def _find_aggregates_before(
    connection: Connection, options: RetentionOptions, now: datetime, *, horizon: datetime | None
) -> datetime | None:
    """Aggregates before this instant may be dropped, by this horizon or the recorded one."""
    if not options.aggregate_days:
        return None
    horizon = horizon or read_horizon(connection)
    if horizon is None or has_dirty_accounts(connection):
        return None
    return find_aggregate_cutoff(now=now, aggregate_days=options.aggregate_days, horizon=horizon)


def _drop_raw(
    connection: Connection,
    plan: RetentionPlan,
    done: RetentionResult,
    *,
    end_s: float | None,
    progress: Callable[[str], None],
) -> None:
    for number, chunk in enumerate(plan.raw):
        if end_s is not None and time.monotonic() > end_s:
            done.left = len(plan.raw) - number
            return
        try:
            rows = drop_reading_chunk(connection, chunk, horizon=find_horizon(chunk.end))
        except psycopg.errors.LockNotAvailable:
            done.waits = f"the chunk of {chunk.start:%Y-%m-%d} is being read; tried again next time"
            return
        except CalendarChangePendingError:
            done.waits = f"{len(plan.raw) - number} chunks wait: {CALENDAR_CHANGE_PENDING}"
            return
        done.chunks += 1
        done.readings += rows
        progress(f"dropped {rows} readings of {chunk.start:%Y-%m-%d}")


def _drop_aggregates(
    connection: Connection, done: RetentionResult, *, before: datetime, end_s: float | None
) -> None:
    """Drop hourly and daily rows before an instant. Months stay.

    Some devices at a time, through the primary keys. Raises `CalendarChangePendingError`.
    """
    relations = ["hourly_consumption", "daily_aggregate"]
    if done.edition != "community":
        relations.append("hourly_aggregate")
    rows: Any = connection.execute("SELECT id FROM device ORDER BY id").fetchall()
    groups = [rows[at : at + DEVICES_A_STEP] for at in range(0, len(rows), DEVICES_A_STEP)]
    for number, group in enumerate(groups):
        if end_s is not None and time.monotonic() > end_s:
            done.left += len(groups) - number
            break
        ids = [device_id for (device_id,) in group]
        with connection.transaction():
            lock_calendars(connection)
            for relation in relations:
                count = connection.execute(_DELETES[relation], [ids, before]).rowcount
                done.aggregates += count
                if count:
                    record_drop(connection, relation, start=None, end=before, rows=count)
    else:
        if done.edition == "community":
            _drop_hours(connection, before=before)


def _drop_hours(connection: Connection, *, before: datetime) -> None:
    """Drop whole chunks of the continuous aggregate, once no day of theirs is left to miss them."""
    with connection.transaction():
        lock_calendars(connection)
        connection.execute(
            "SELECT drop_chunks('hourly_bucket', older_than => %s::timestamptz)", [before]
        )


_DELETES = {
    "hourly_aggregate": "DELETE FROM hourly_aggregate WHERE device_id = ANY(%s) AND hour < %s",
    # Not the last one: the next reading, whenever it comes, is counted from it.
    "hourly_consumption": "DELETE FROM hourly_consumption c "
    "USING (SELECT %s::bigint[] AS ids, %s::timestamptz AS before) cutoff "
    "WHERE c.device_id = ANY(cutoff.ids) AND c.hour < cutoff.before AND EXISTS (SELECT FROM "
    "hourly_consumption n WHERE n.device_id = c.device_id AND n.hour > c.hour "
    "AND n.hour < cutoff.before)",
    # A day that lies before the instant in every time zone.
    "daily_aggregate": "DELETE FROM daily_aggregate WHERE device_id = ANY(%s) "
    "AND day < (%s::timestamptz AT TIME ZONE 'UTC')::date - 1",
}


def _compress(
    connection: Connection,
    plan: RetentionPlan,
    done: RetentionResult,
    *,
    end_s: float | None,
    progress: Callable[[str], None],
) -> None:
    if plan.compress:
        enable_compression(connection)
    for number, chunk in enumerate(plan.compress):
        if end_s is not None and time.monotonic() > end_s:
            done.left += len(plan.compress) - number
            return
        compress_chunk(connection, chunk)
        done.compressed += 1
        progress(f"compressed {chunk.name} of {chunk.start:%Y-%m-%d}")
