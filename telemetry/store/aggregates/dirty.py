"""Dirty hours and accounts: claimed inside a step, so that none is lost or computed twice."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, LiteralString

from msgspec import Struct

from telemetry.store.db.connection import Connection
from telemetry.store.db.sql import Queries


class Sql(Queries):
    list_dirty: LiteralString
    claim_dirty_hours: LiteralString
    claim_edits: LiteralString
    claim_changes: LiteralString
    record_frozen_hours: LiteralString
    claim_dirty_account: LiteralString


class DirtyAccount(Struct, frozen=True):
    """An account with a new calendar. `new_days`: its time zone changed, not only its billing day.

    `device_ids`: the next ones; none: all devices are done. `obsolete`: older rows that were
    deleted.
    """

    id: int
    account_id: int
    new_days: bool
    device_ids: list[int]
    obsolete: int


@contextmanager
def begin_step(connection: Connection) -> Iterator[None]:
    """A transaction over one snapshot, while which no month is closed or reopened.

    The lock comes before the snapshot, so that the step sees every month that is closed.
    """
    with connection.transaction():
        connection.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ")
        connection.execute("LOCK TABLE closed_month IN SHARE MODE")
        yield


def list_dirty(connection: Connection, *, rows: int, device_hours: int) -> tuple[list[int], bool]:
    """The oldest rows of `dirty_hour` within both limits, and whether there may be more. Only the
    refresh deletes them, and only one runs."""
    limits = {"rows": rows, "device_hours": device_hours}
    row: Any = connection.execute(Sql.list_dirty, limits).fetchone()
    ids, is_more = row
    return ids, is_more


def claim_dirty_hours(connection: Connection, ids: list[int]) -> int:
    """Put the device hours of dirty rows into `affected_hour`, the edits and changes of meter that
    made them dirty into `affected_edit` and `affected_change`; how many hours. The rows go at the
    end of the step (`delete_dirty_hours`)."""
    connection.execute(Sql.claim_edits, {"ids": ids})
    connection.execute(Sql.claim_changes, {"ids": ids})
    affected = connection.execute(Sql.claim_dirty_hours, {"ids": ids}).rowcount
    connection.execute("ANALYZE affected_hour")
    return affected


def delete_dirty_hours(connection: Connection, ids: list[int]) -> None:
    """Delete dirty rows whose hours were computed."""
    connection.execute("DELETE FROM dirty_hour WHERE id = ANY(%s)", [ids])


def record_frozen_hours(connection: Connection) -> int:
    """Move hours before the raw horizon from `affected_hour` to `frozen_hour`; how many."""
    return connection.execute(Sql.record_frozen_hours).rowcount


def claim_dirty_account(connection: Connection, *, devices: int) -> DirtyAccount | None:
    """The account that has been dirty longest, with its next devices; None when there is none.

    Its row records the last of these devices, and is deleted when none is left.
    """
    row: Any = connection.execute(Sql.claim_dirty_account, {"devices": devices}).fetchone()
    if row is None:
        return None
    account = DirtyAccount(*row)
    if account.device_ids:
        connection.execute(
            "UPDATE dirty_account SET last_device_id = %s WHERE id = %s",
            [account.device_ids[-1], account.id],
        )
    else:
        connection.execute("DELETE FROM dirty_account WHERE id = %s", [account.id])
    return account
