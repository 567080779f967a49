"""Notes of what must be computed again: taken inside a step, so that none is lost or done twice."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, LiteralString

from msgspec import Struct

from telemetry.store.db.connection import Connection
from telemetry.store.db.sql import Queries


class Sql(Queries):
    list_waiting: LiteralString
    take_notes: LiteralString
    refuse_hours: LiteralString
    take_account_note: LiteralString


class AccountNote(Struct, frozen=True):
    """An account with a new calendar. `cut_days`: its time zone, not only its billing day.

    `device_ids`: whose turn it is; none: the note is done with. `superfluous`: older notes that
    went.
    """

    id: int
    account_id: int
    cut_days: bool
    device_ids: list[int]
    superfluous: int


@contextmanager
def begin_step(connection: Connection) -> Iterator[None]:
    """A transaction over one snapshot, while which no month is closed or reopened.

    The lock comes before the snapshot, so that the step sees every month that is closed.
    """
    with connection.transaction():
        connection.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ")
        connection.execute("LOCK TABLE closed_month IN SHARE MODE")
        yield


def list_waiting(
    connection: Connection, *, notes: int, device_hours: int
) -> tuple[list[int], bool]:
    """The oldest notes within both limits, and whether more may wait. Only a refresher removes
    notes, and there is one."""
    limits = {"notes": notes, "device_hours": device_hours}
    row: Any = connection.execute(Sql.list_waiting, limits).fetchone()
    ids, is_more = row
    return ids, is_more


def take_notes(connection: Connection, ids: list[int]) -> int:
    """Remove notes and hold their device hours in `touched_hour`; how many those are."""
    touched = connection.execute(Sql.take_notes, {"ids": ids}).rowcount
    connection.execute("ANALYZE touched_hour")
    return touched


def refuse_hours(connection: Connection) -> int:
    """Move hours before the raw horizon from `touched_hour` to `refused_hour`; how many."""
    return connection.execute(Sql.refuse_hours).rowcount


def take_account_note(connection: Connection, *, devices: int) -> AccountNote | None:
    """The oldest note of an account and its next devices, of which it keeps the last; None when
    there is none. A note without further devices is removed."""
    row: Any = connection.execute(Sql.take_account_note, {"devices": devices}).fetchone()
    if row is None:
        return None
    note = AccountNote(*row)
    if note.device_ids:
        connection.execute(
            "UPDATE dirty_account SET cut_to = %s WHERE id = %s", [note.device_ids[-1], note.id]
        )
    else:
        connection.execute("DELETE FROM dirty_account WHERE id = %s", [note.id])
    return note
