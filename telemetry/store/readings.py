"""Store readings, each key once: straight COPY, and the careful way when a key stands already."""

from collections.abc import Iterable
from decimal import Decimal

import psycopg

from telemetry.core.reading import COLUMNS, Key, ReadingRow, key_of
from telemetry.store.connection import Connection
from telemetry.store.queries import query

_TYPES = ("int8", "timestamptz", "numeric", "text", "jsonb", "int8", "int8", "timestamptz")


def insert_readings(connection: Connection, rows: Iterable[ReadingRow]) -> dict[Key, Decimal]:
    """Insert rows whose keys are all different, inside the caller's transaction.

    Returns the keys that stood already, with the value that stands. Rows go in sorted by key
    (pitfall T6). Raises `psycopg.Error`.
    """
    ordered = sorted(rows)
    if not ordered:
        return {}
    try:
        with connection.transaction():
            _copy(connection, "reading", ordered)
    except psycopg.errors.UniqueViolation:
        return _insert_carefully(connection, ordered)
    return {}


def _copy(connection: Connection, table: str, rows: Iterable[ReadingRow]) -> None:
    statement = f"COPY {table} ({', '.join(COLUMNS)}) FROM STDIN (FORMAT BINARY)"
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
    missing = [key for key in map(key_of, rows) if key not in inserted]
    times = [time for _, time in missing]
    standing = connection.execute(
        query("stored_values"),
        {
            "device_ids": [device_id for device_id, _ in missing],
            "times": times,
            "first": min(times, default=None),
            "last": max(times, default=None),
        },
    )
    return {(device_id, time): value for device_id, time, value in standing}  # type: ignore[misc]
