"""Repair aggregates that differ from the readings: mark dirty, refresh, verify again."""

from collections.abc import Callable
from typing import LiteralString

from msgspec import Struct

from telemetry.store.aggregates.dirty import begin_step
from telemetry.store.aggregates.refresh import RefreshBusyError, Refreshed, refresh_aggregates
from telemetry.store.db.connection import Connection
from telemetry.store.db.locks import Lock, hold_lock
from telemetry.store.db.sql import Queries
from telemetry.store.verification.slices import choose_devices, compare_closed_months
from telemetry.store.verification.verify import (
    Scope,
    Verification,
    create_tables,
    list_slices,
    verify_aggregates,
)


class Sql(Queries):
    repair_closed_months: LiteralString
    repair_closed_lines: LiteralString
    delete_wrong_lines: LiteralString
    insert_closed_lines: LiteralString


class Repaired(Struct):
    """The findings before, what the refresh did, and the findings after."""

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
    what closing recorded. Raises `RefreshBusyError`, `VerifyBusyError`, `psycopg.Error`;
    repeating it is safe, also after a kill: the next refresh computes what is dirty.
    """
    with hold_lock(connection, Lock.REFRESH, busy=RefreshBusyError, is_patient=True):
        refresh_aggregates(connection)
        before = verify_aggregates(
            connection, scope=scope, examples=examples, is_repair=True, progress=progress
        )
        if not before.differences:
            return Repaired(before, Refreshed(""), before)
        refreshed = refresh_aggregates(connection)
        repair_closed_months(connection, scope)
        after = verify_aggregates(connection, scope=scope, examples=examples, progress=progress)
        return Repaired(before, refreshed, after)


def repair_closed_months(connection: Connection, scope: Scope) -> None:
    """Make closed total and adjustments of closed months add up to the live total."""
    create_tables(connection)
    for piece in list_slices(connection, scope):
        if piece.kind == "months":
            with begin_step(connection):
                choose_devices(connection, piece, account_id=scope.account_id)
                compare_closed_months(connection, piece)
                connection.execute(Sql.repair_closed_months)
                connection.execute(Sql.repair_closed_lines)
                connection.execute(Sql.delete_wrong_lines)
                connection.execute(Sql.insert_closed_lines)
