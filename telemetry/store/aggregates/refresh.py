"""Keep hours, days and months current, in either edition of TimescaleDB (README.md beside this).

One refresher at a time. A refresh costs what changed since the last one, not what is stored.
"""

from collections.abc import Callable
from typing import LiteralString

from msgspec import Struct

from telemetry.store.aggregates.days_months import forget_calendars, refresh_days, refresh_months
from telemetry.store.aggregates.dirty import (
    begin_step,
    list_waiting,
    refuse_hours,
    take_account_note,
    take_notes,
)
from telemetry.store.aggregates.hours import refresh_community, refresh_hours
from telemetry.store.aggregates.throttle import Pace
from telemetry.store.db.connection import Connection
from telemetry.store.db.edition import read_edition
from telemetry.store.db.locks import Lock, hold_lock
from telemetry.store.db.sql import Queries


class Sql(Queries):
    refresh_tables: LiteralString


NOTES_A_STEP = 5_000
DEVICE_HOURS_A_STEP = 1_000_000
DEVICES_A_RECUT = 25  # their hours of five years are as many


class Refreshed(Struct):
    """What one refresh did: notes taken, and device hours, days and months computed again; device
    hours refused because their raw readings were dropped; adjustments of closed months."""

    edition: str
    notes: int = 0
    hours: int = 0
    days: int = 0
    months: int = 0
    refused: int = 0
    adjusted: int = 0


class RefreshBusyError(Exception):
    """Another refresh is under way."""


def refresh_aggregates(
    connection: Connection,
    *,
    progress: Callable[[int], None] | None = None,
    pace: Pace | None = None,
) -> Refreshed:
    """Compute everything again that is noted as changed. Outside a transaction (pitfall T1).

    With `pace` the hour that is going on is read in pieces, with rests.

    Raises `RefreshBusyError` or `psycopg.Error`; repeating it is safe.
    """
    with hold_lock(connection, Lock.REFRESH, busy=RefreshBusyError):
        with connection.cursor() as cursor:
            done = Refreshed(read_edition(cursor))
        connection.execute(Sql.refresh_tables)
        while _recut_accounts(connection, done) or _refresh_hours(connection, done, pace):
            if progress is not None:
                progress(done.notes)
        return done


def _refresh_hours(connection: Connection, done: Refreshed, pace: Pace | None) -> bool:
    """One step over changed hours; whether more notes wait."""
    notes, is_more = list_waiting(connection, notes=NOTES_A_STEP, device_hours=DEVICE_HOURS_A_STEP)
    if not notes:
        return False
    if done.edition == "community":
        refresh_community(connection, notes)
    with begin_step(connection):
        touched = take_notes(connection, notes)
        refused = refuse_hours(connection)
        refresh_hours(connection, edition=done.edition, pace=pace)
        days, months, adjusted = refresh_days(connection), *refresh_months(connection)
    done.notes += len(notes)
    done.hours += touched - refused
    done.refused += refused
    done.days += days
    done.months += months
    done.adjusted += adjusted
    return is_more


def _recut_accounts(connection: Connection, done: Refreshed) -> bool:
    """Cut days and months of some devices of an account whose calendar changed; whether there was
    one. Until its note is done with, the account has days of both calendars."""
    with begin_step(connection):
        note = take_account_note(connection, devices=DEVICES_A_RECUT)
        if note is None:
            return False
        forget_calendars(connection, note)
        days = refresh_days(connection) if note.cut_days else 0
        months, adjusted = refresh_months(connection, note=note)
    done.notes += note.superfluous + (not note.device_ids)
    done.days += days
    done.months += months
    done.adjusted += adjusted
    return True
