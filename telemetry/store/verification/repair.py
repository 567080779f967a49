"""Repair aggregates that are not as the readings say: note, refresh, settle books, look again."""

from collections.abc import Callable
from typing import LiteralString

from msgspec import Struct

from telemetry.store.aggregates.dirty import begin_step
from telemetry.store.aggregates.refresh import RefreshBusyError, Refreshed, refresh_aggregates
from telemetry.store.db.connection import Connection
from telemetry.store.db.locks import Lock, hold_lock
from telemetry.store.db.sql import Queries
from telemetry.store.verification.run import (
    Scope,
    Verification,
    create_tables,
    list_slices,
    verify_aggregates,
)
from telemetry.store.verification.slices import choose_devices, compare_books


class Sql(Queries):
    settle_books: LiteralString


class Repaired(Struct):
    """What was found, what the refresh did about it, and what was found then."""

    before: Verification
    refreshed: Refreshed
    after: Verification


def repair_aggregates(
    connection: Connection,
    *,
    scope: Scope,
    examples: int,
    progress: Callable[[int, int, str], None] = lambda *_: None,
) -> Repaired:
    """Refresh, verify, repair, refresh, and verify again, under the refreshers' lock.

    In a closed month what changes becomes an adjustment, as always; a closed total is set back to
    what closing wrote down. Raises `RefreshBusyError`, `VerifyBusyError`, `psycopg.Error`;
    repeating it is safe, also after a kill: what was noted is refreshed by whoever comes next.
    """
    with hold_lock(connection, Lock.REFRESH, busy=RefreshBusyError, is_patient=True):
        refresh_aggregates(connection)
        before = verify_aggregates(
            connection, scope=scope, examples=examples, is_repair=True, progress=progress
        )
        if not before.differences:
            return Repaired(before, Refreshed(""), before)
        refreshed = refresh_aggregates(connection)
        settle_books(connection, scope)
        after = verify_aggregates(connection, scope=scope, examples=examples, progress=progress)
        return Repaired(before, refreshed, after)


def settle_books(connection: Connection, scope: Scope) -> None:
    """Make closed total and adjustments of closed months add up to the live total."""
    create_tables(connection)
    for piece in list_slices(connection, scope):
        if piece.kind == "months":
            with begin_step(connection):
                choose_devices(connection, piece, account_id=scope.account_id)
                compare_books(connection, piece.day)
                connection.execute(Sql.settle_books)
