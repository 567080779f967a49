"""Store readings, each key once: COPY, and a slower way that skips keys that exist."""

from collections.abc import Iterable, Mapping
from typing import Any, LiteralString

from telemetry.core.reading import (
    Key,
    ReadingRow,
    key_of,
    to_instant,
    to_microseconds,
    to_ten_thousandths,
)
from telemetry.store.db.connection import Connection
from telemetry.store.db.sql import Queries
from telemetry.store.ingest.binary_copy import COLUMNS, pack_rows


class Sql(Queries):
    insert_incoming: LiteralString
    stored_values: LiteralString


def insert_readings(
    connection: Connection,
    rows: Iterable[ReadingRow],
    *,
    received_us: int | Mapping[Key, int],
    skip_existing: bool,
) -> dict[Key, int]:
    """Insert rows whose keys are all different, inside the caller's transaction.

    `received_us`: when all were received, or each by its key.

    Raises `psycopg.errors.UniqueViolation` when a key is stored already; with `skip_existing` it
    returns those keys, with the stored value in ten-thousandths. Rows go in sorted by key,
    or two workers could deadlock. Raises `psycopg.Error`.
    """
    ordered = sorted(rows)
    if not ordered:
        return {}
    content = pack_rows(ordered, received_us=received_us)
    if not skip_existing:
        _copy(connection, "reading", content)
        return {}
    return _insert_missing(connection, ordered, content)


def _copy(connection: Connection, table: str, content: bytes) -> None:
    statement = f"COPY {table} ({COLUMNS}) FROM STDIN (FORMAT BINARY)"
    with connection.cursor() as cursor, cursor.copy(statement) as copy:
        copy.write(content)


def _insert_missing(
    connection: Connection, rows: list[ReadingRow], content: bytes
) -> dict[Key, int]:
    connection.execute(
        "CREATE TEMPORARY TABLE IF NOT EXISTS reading_incoming (LIKE reading) ON COMMIT DELETE ROWS"
    )
    _copy(connection, "reading_incoming", content)
    result: Iterable[Any] = connection.execute(Sql.insert_incoming)
    inserted = {(device_id, to_microseconds(time)) for device_id, time in result}
    missing = [key for key in map(key_of, rows) if key not in inserted]
    times = [to_instant(time_us) for _, time_us in missing]
    existing: Iterable[Any] = connection.execute(
        Sql.stored_values,
        {
            "device_ids": [device_id for device_id, _ in missing],
            "times": times,
            "first": min(times, default=None),
            "last": max(times, default=None),
        },
    )
    return {
        (device_id, to_microseconds(time)): to_ten_thousandths(value)
        for device_id, time, value in existing
    }
