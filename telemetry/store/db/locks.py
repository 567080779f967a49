"""The advisory locks of the database. Every number is here, so that no two are alike."""

from collections.abc import Iterator
from contextlib import contextmanager
from enum import IntEnum, unique
from typing import Any

import psycopg

from telemetry.store.db.connection import Connection


@unique
class Lock(IntEnum):
    """Its holder is the only one of its kind that runs. "tds" and a digit."""

    BEAT = 0x7464_7330
    REFRESH = 0x7464_7331
    VERIFY = 0x7464_7332
    ALARMS = 0x7464_7333
    FINDINGS = 0x7464_7334
    GROUPS = 0x7464_7335


def try_lock(connection: Connection, lock: Lock) -> bool:
    """Take a lock until `unlock`, or the end of the session; whether it was free."""
    row: Any = connection.execute("SELECT pg_try_advisory_lock(%s)", [int(lock)]).fetchone()
    return bool(row[0])


def wait_for_lock(connection: Connection, lock: Lock) -> bool:
    """The same, but wait for it as long as the connection's lock_timeout says."""
    try:
        connection.execute("SELECT pg_advisory_lock(%s)", [int(lock)])
    except psycopg.errors.LockNotAvailable:
        return False
    return True


def unlock(connection: Connection, lock: Lock) -> None:
    """Give a lock back. A session that ended has done so."""
    if not connection.closed:
        connection.execute("SELECT pg_advisory_unlock(%s)", [int(lock)])


def lock_transaction(cursor: Any, lock: Lock) -> None:
    """Wait for a lock and hold it until the transaction ends. `cursor`: psycopg's or Django's."""
    cursor.execute("SELECT pg_advisory_xact_lock(%s)", [int(lock)])


@contextmanager
def hold_lock(
    connection: Connection, lock: Lock, *, busy: type[Exception], is_patient: bool = False
) -> Iterator[None]:
    """Hold a lock. Raises `busy` when another holds it, `is_patient`: for longer than
    the connection's lock_timeout. One session may hold a lock within itself."""
    take = wait_for_lock if is_patient else try_lock
    if not take(connection, lock):
        raise busy
    try:
        yield
    finally:
        unlock(connection, lock)
