"""Keep hours, days and months current, in either edition of TimescaleDB (README.md beside this).

One refresher at a time. A refresh costs what changed since the last one, not what is stored.
"""

from collections.abc import Callable
from typing import Any, LiteralString

from msgspec import Struct
from psycopg import sql

from telemetry.store.aggregates.days_months import delete_old_calendar, refresh_days, refresh_months
from telemetry.store.aggregates.dirty import (
    begin_step,
    claim_dirty_account,
    claim_dirty_hours,
    delete_dirty_hours,
    list_dirty,
    record_frozen_hours,
)
from telemetry.store.aggregates.hours import (
    delete_emptied_hours,
    record_gaps,
    refresh_community,
    refresh_hours,
)
from telemetry.store.aggregates.moved import follow_moves
from telemetry.store.aggregates.throttle import Throttle
from telemetry.store.db.connection import Connection
from telemetry.store.db.edition import read_edition
from telemetry.store.db.locks import Lock, hold_lock
from telemetry.store.db.sql import Queries


class Sql(Queries):
    refresh_tables: LiteralString
    record_changed_hours: LiteralString
    name_causes: LiteralString


DIRTY_ROWS_A_STEP = 5_000
DEVICE_HOURS_A_STEP = 1_000_000
DEVICES_A_STEP = 25  # their hours of five years are about as many


class Refreshed(Struct):
    """What one refresh did: dirty rows claimed (`dirty`); device hours, days and months computed
    again; device hours that stay `frozen` because
    their raw readings were dropped; adjustments of closed
    months."""

    edition: str
    dirty: int = 0
    hours: int = 0
    days: int = 0
    months: int = 0
    frozen: int = 0
    adjusted: int = 0


class RefreshBusyError(Exception):
    """Another refresh is under way."""


def refresh_aggregates(
    connection: Connection,
    *,
    progress: Callable[[int], None] | None = None,
    throttle: Throttle | None = None,
) -> Refreshed:
    """Compute everything that is dirty. Call it outside a transaction: inside one,
    TimescaleDB does not refresh a continuous aggregate.

    With a `throttle` the current hour is read in pieces, with pauses.

    Raises `RefreshBusyError` or `psycopg.Error`; repeating it is safe.
    """
    with hold_lock(connection, Lock.REFRESH, busy=RefreshBusyError):
        with connection.cursor() as cursor:
            done = Refreshed(read_edition(cursor))
        connection.execute(Sql.refresh_tables)
        while _refresh_accounts(connection, done) or _refresh_hours(connection, done, throttle):
            if progress is not None:
                progress(done.dirty)
        return done


def _refresh_hours(connection: Connection, done: Refreshed, throttle: Throttle | None) -> bool:
    """One step over changed hours; whether more hours are dirty."""
    limits = {"rows": DIRTY_ROWS_A_STEP, "device_hours": DEVICE_HOURS_A_STEP}
    dirty_ids, is_more = list_dirty(connection, **limits)
    if not dirty_ids:
        return False
    if done.edition == "community":
        follow_moves(connection, dirty_ids)
        refresh_community(connection, dirty_ids)
    with begin_step(connection):
        if done.edition == "apache":  # of all readings that it sees: none is told of later
            dirty_ids, is_more = list_dirty(connection, **limits)
            follow_moves(connection, dirty_ids)
        affected = claim_dirty_hours(connection, dirty_ids)
        frozen = record_frozen_hours(connection)
        record_gaps(connection)
        delete_emptied_hours(connection, edition=done.edition)
        refresh_hours(connection, edition=done.edition, throttle=throttle)
        _analyze_grown(connection, ["hourly_aggregate", "hourly_consumption"], rows=affected)
        days, months, adjusted = refresh_days(connection), *refresh_months(connection)
        _analyze_grown(connection, ["daily_aggregate", "monthly_total"], rows=days)
        if adjusted:
            connection.execute(Sql.name_causes, {"ids": dirty_ids})
        connection.execute(Sql.record_changed_hours)
        delete_dirty_hours(connection, dirty_ids)
    done.dirty += len(dirty_ids)
    done.hours += affected - frozen
    done.frozen += frozen
    done.days += days
    done.months += months
    done.adjusted += adjusted
    return is_more


def _analyze_grown(connection: Connection, tables: list[str], *, rows: int) -> None:
    """Have the planner know the tables (a view has nothing to know) that had fewer rows than a
    step has just written: autovacuum comes a minute later, and until then it takes what a first
    import wrote for next to nothing."""
    grown: Any = connection.execute(
        "SELECT relname FROM pg_class WHERE relnamespace = 'public'::regnamespace "
        "AND relkind = 'r' AND relname = ANY(%s) AND reltuples < %s",
        [tables, rows],
    ).fetchall()
    for (table,) in grown:
        connection.execute(sql.SQL("ANALYZE {}").format(sql.Identifier(table)))


def _refresh_accounts(connection: Connection, done: Refreshed) -> bool:
    """Compute days and months of some devices of an account whose calendar changed; whether there
    was one. Until all its devices are done, the account has days of both calendars."""
    with begin_step(connection):
        dirty = claim_dirty_account(connection, devices=DEVICES_A_STEP)
        if dirty is None:
            return False
        delete_old_calendar(connection, dirty)
        days = refresh_days(connection) if dirty.new_days else 0
        months, adjusted = refresh_months(connection, dirty=dirty)
    done.dirty += dirty.obsolete + (not dirty.device_ids)
    done.days += days
    done.months += months
    done.adjusted += adjusted
    return True
