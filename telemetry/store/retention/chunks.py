"""The chunks of a hypertable: which there are, and dropping one of them with its ledger entry."""

from datetime import datetime
from typing import Any

from msgspec import Struct
from psycopg import sql

from telemetry.store.db.connection import Connection

_CHUNKS = """
SELECT chunk_schema::text, chunk_name::text, range_start, range_end, is_compressed
FROM timescaledb_information.chunks
WHERE hypertable_schema = %s AND hypertable_name = %s
  AND range_end <= coalesce(%s, 'infinity'::timestamptz)
ORDER BY range_start
"""


class CalendarChangePendingError(Exception):
    """Days of an account must be computed again: until then their hours and readings are kept."""


class Chunk(Struct, frozen=True):
    """A piece of a hypertable: the half-open range of time `start` to `end` (UTC)."""

    schema: str
    name: str
    start: datetime
    end: datetime
    is_compressed: bool

    @property
    def identifier(self) -> sql.Identifier:
        """The chunk's own relation."""
        return sql.Identifier(self.schema, self.name)


def list_chunks(
    connection: Connection, table: str, *, schema: str = "public", before: datetime | None = None
) -> list[Chunk]:
    """The chunks of a hypertable that end at `before` or earlier, oldest first."""
    rows: Any = connection.execute(_CHUNKS, [schema, table, before]).fetchall()
    return [Chunk(*row) for row in rows]


def find_first_end(connection: Connection) -> datetime | None:
    """Where the oldest chunk of readings ends; None when there is none."""
    row: Any = connection.execute(
        "SELECT min(range_end) FROM timescaledb_information.chunks "
        "WHERE hypertable_schema = 'public' AND hypertable_name = 'reading'"
    ).fetchone()
    horizon: datetime | None = row[0]
    return horizon


def drop_reading_chunk(connection: Connection, chunk: Chunk, *, horizon: datetime) -> int:
    """Drop a chunk of readings and move the horizon, in one transaction; how many readings.

    The horizon is written first: a refresh never sees readings gone whose hours it may compute.
    Raises `CalendarChangePendingError`, and `psycopg.errors.LockNotAvailable` when somebody reads
    the chunk for long.
    """
    with connection.transaction():
        connection.execute("SET LOCAL lock_timeout = '5s'")
        lock_calendars(connection)
        # No reading comes in between the count and the drop.
        connection.execute(sql.SQL("LOCK TABLE {} IN EXCLUSIVE MODE").format(chunk.identifier))
        row: Any = connection.execute(
            "SELECT count(*) FROM reading WHERE time >= %s AND time < %s", [chunk.start, chunk.end]
        ).fetchone()
        move_horizon(connection, horizon)
        record_drop(connection, "reading", start=chunk.start, end=chunk.end, rows=row[0])
        connection.execute(
            "SELECT drop_chunks('reading', older_than => %s::timestamptz, "
            "newer_than => %s::timestamptz)",
            [chunk.end, chunk.start],
        )
    return int(row[0])


def lock_calendars(connection: Connection) -> None:
    """Until the transaction's end no account gets a calendar that needs what is being dropped.

    Raises `CalendarChangePendingError` when one has already.
    """
    connection.execute("LOCK TABLE dirty_account IN SHARE MODE")
    if has_dirty_accounts(connection):
        raise CalendarChangePendingError


def has_dirty_accounts(connection: Connection) -> bool:
    """Whether days of an account must be computed again, perhaps from readings."""
    row: Any = connection.execute("SELECT EXISTS (SELECT FROM dirty_account)").fetchone()
    return bool(row[0])


def read_horizon(connection: Connection) -> datetime | None:
    """Hours before it are never computed again; None when no reading was ever dropped."""
    row: Any = connection.execute(
        "SELECT max(dropped_before) FROM raw_horizon WHERE isfinite(dropped_before)"
    ).fetchone()
    horizon: datetime | None = row[0]
    return horizon


def move_horizon(connection: Connection, horizon: datetime) -> None:
    """Move the horizon forwards; it never moves back."""
    moved = connection.execute(
        "UPDATE raw_horizon SET dropped_before = greatest(dropped_before, %s)", [horizon]
    )
    if moved.rowcount == 0:
        connection.execute("INSERT INTO raw_horizon (dropped_before) VALUES (%s)", [horizon])


def record_drop(
    connection: Connection, relation: str, *, start: datetime | None, end: datetime, rows: int
) -> None:
    """Record a drop in the ledger: the delivery report counts these readings as stored.

    One entry for a relation and a range, whatever the number of steps.
    """
    connection.execute(
        "INSERT INTO dropped_range AS d (relation, range_start, range_end, rows, dropped_at) "
        "VALUES (%s, %s, %s, %s, now()) ON CONFLICT (relation, range_start, range_end) "
        "DO UPDATE SET rows = d.rows + excluded.rows, dropped_at = excluded.dropped_at",
        [relation, start, end, rows],
    )
