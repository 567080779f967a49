"""Store readings, each key once: straight COPY, and the careful way when a key stands already."""

from collections.abc import Iterable
from datetime import datetime
from decimal import Decimal
from operator import attrgetter
from typing import NamedTuple, TypeAlias

import psycopg

from telemetry.store.connection import Connection
from telemetry.store.queries import query

Key: TypeAlias = tuple[int, datetime]


class ReadingRow(NamedTuple):
    """A row of the hypertable, in the order of its columns."""

    time: datetime
    received_at: datetime
    account_id: int
    gateway_id: int
    device_id: int
    value: Decimal
    unit: str
    raw: str | None

    @property
    def key(self) -> Key:
        """What makes a reading unique."""
        return self.device_id, self.time


_COLUMNS = "time, received_at, account_id, gateway_id, device_id, value, unit, raw"
_TYPES = ("timestamptz", "timestamptz", "int8", "int8", "int8", "numeric", "varchar", "jsonb")


def insert_readings(connection: Connection, rows: list[ReadingRow]) -> dict[Key, Decimal]:
    """Insert rows whose keys are all different, inside the caller's transaction.

    Returns the keys that stood already, with the value that stands. Rows go in sorted by key
    (pitfall T6). Raises `psycopg.Error`.
    """
    if not rows:
        return {}
    rows = sorted(rows, key=attrgetter("device_id", "time"))
    try:
        with connection.transaction():
            _copy(connection, "reading", rows)
    except psycopg.errors.UniqueViolation:
        return _insert_carefully(connection, rows)
    return {}


def _copy(connection: Connection, table: str, rows: Iterable[ReadingRow]) -> None:
    statement = f"COPY {table} ({_COLUMNS}) FROM STDIN (FORMAT BINARY)"
    with connection.cursor() as cursor, cursor.copy(statement) as copy:
        copy.set_types(_TYPES)
        write_row = copy.write_row
        for row in rows:
            write_row(row)


def _insert_carefully(connection: Connection, rows: list[ReadingRow]) -> dict[Key, Decimal]:
    connection.execute(
        "CREATE TEMPORARY TABLE IF NOT EXISTS reading_incoming (LIKE reading) ON COMMIT DELETE ROWS"
    )
    _copy(connection, "reading_incoming", rows)
    inserted = set(connection.execute(query("insert_incoming")).fetchall())
    missing = [row for row in rows if row.key not in inserted]
    times = [row.time for row in missing]
    standing = connection.execute(
        query("stored_values"),
        {
            "device_ids": [row.device_id for row in missing],
            "times": times,
            "first": min(times, default=None),
            "last": max(times, default=None),
        },
    )
    return {(device_id, time): value for device_id, time, value in standing}  # type: ignore[misc]
