"""Store readings, each key once: COPY, and a slower way that skips keys that exist."""

from collections.abc import Collection, Iterable, Mapping
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
    find_voided: LiteralString
    delete_voided: LiteralString
    stored_values: LiteralString


class VoidedReadingError(Exception):
    """A key was stored before, and an edit voided it: it must not be stored again."""


def insert_readings(
    connection: Connection,
    rows: Iterable[ReadingRow],
    *,
    received_us: int | Mapping[Key, int],
    skip_existing: bool,
) -> dict[Key, tuple[int, ...]]:
    """Insert rows whose keys are all different, inside the caller's transaction.

    `received_us`: when all were received, or each by its key.

    Raises `psycopg.errors.UniqueViolation` when a key is stored already, `VoidedReadingError` when
    it was, until an edit voided it. With `skip_existing` it returns those keys with their values in
    ten-thousandths: the one that was received, and the one that an edit put in its place. Rows go
    in sorted by key, or two workers could deadlock. Raises `psycopg.Error`.
    """
    ordered = sorted(rows)
    if not ordered:
        return {}
    content = pack_rows(ordered, received_us=received_us)
    if not skip_existing:
        _copy(connection, "reading", content)
        if _find_voided(connection, ordered):
            raise VoidedReadingError
        return {}
    return _insert_missing(connection, ordered, content)


def _find_voided(connection: Connection, rows: Collection[ReadingRow] | set[Key]) -> set[Key]:
    """Which keys an edit voided. To be called after the insert, which waits for an edit of one of
    its keys that is under way."""
    times = [row[1] for row in rows]
    bounds = {"first": to_instant(min(times)), "last": to_instant(max(times))}
    found: Iterable[Any] = connection.execute(Sql.find_voided, bounds)
    voided = {(device_id, to_microseconds(time)) for device_id, time in found}
    return voided.intersection(row[:2] for row in rows) if voided else voided


def _copy(connection: Connection, table: str, content: bytes) -> None:
    statement = f"COPY {table} ({COLUMNS}) FROM STDIN (FORMAT BINARY)"
    with connection.cursor() as cursor, cursor.copy(statement) as copy:
        copy.write(content)


def _insert_missing(
    connection: Connection, rows: list[ReadingRow], content: bytes
) -> dict[Key, tuple[int, ...]]:
    connection.execute(
        "CREATE TEMPORARY TABLE IF NOT EXISTS reading_incoming (LIKE reading) ON COMMIT DELETE ROWS"
    )
    _copy(connection, "reading_incoming", content)
    result: Iterable[Any] = connection.execute(Sql.insert_incoming)
    inserted = {(device_id, to_microseconds(time)) for device_id, time in result}
    if inserted and (voided := _find_voided(connection, inserted)):
        connection.execute(Sql.delete_voided, _bind(sorted(voided)))
        inserted -= voided
    missing = [key for key in map(key_of, rows) if key not in inserted]
    existing: Iterable[Any] = connection.execute(Sql.stored_values, _bind(missing))
    return {
        (device_id, to_microseconds(time)): tuple(map(to_ten_thousandths, values))
        for device_id, time, values in existing
    }


def _bind(keys: list[Key]) -> dict[str, Any]:
    times = [to_instant(time_us) for _, time_us in keys]
    return {
        "device_ids": [device_id for device_id, _ in keys],
        "times": times,
        "first": min(times, default=None),
        "last": max(times, default=None),
    }
