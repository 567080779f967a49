"""Compression of old chunks: TimescaleDB Community only."""

from datetime import datetime, timedelta
from typing import Any

from psycopg import sql

from telemetry.store.db.connection import Connection
from telemetry.store.retention.chunks import Chunk, list_chunks

_MATERIALIZED = """
SELECT materialization_hypertable_schema::text, materialization_hypertable_name::text
FROM timescaledb_information.continuous_aggregates WHERE view_name = 'hourly_bucket'
"""
_IS_ENABLED = """
SELECT compression_enabled FROM timescaledb_information.hypertables
WHERE hypertable_schema = 'public' AND hypertable_name = 'reading'
"""
_IS_ENABLED_ON_HOURS = """
SELECT compression_enabled FROM timescaledb_information.continuous_aggregates
WHERE view_name = 'hourly_bucket'
"""


def list_compressible(
    connection: Connection, *, now: datetime, after_days: int, dropped_to: datetime | None
) -> list[Chunk]:
    """Chunks of readings and hourly aggregates that are old enough and not compressed.

    `dropped_to`: readings before it are dropped anyway. Late readings lie uncompressed beside the
    compressed ones of their chunk, and are found like them.
    """
    before = now - timedelta(days=after_days)
    chunks = list_chunks(connection, "reading", before=before)
    if dropped_to is not None:
        chunks = [chunk for chunk in chunks if chunk.end > dropped_to]
    row: Any = connection.execute(_MATERIALIZED).fetchone()
    if row is not None:
        chunks += list_chunks(connection, row[1], schema=row[0], before=before)
    return [chunk for chunk in chunks if not chunk.is_compressed]


def enable_compression(connection: Connection) -> None:
    """Say how to compress, once: the rows of a device together, in the order of time."""
    row: Any = connection.execute(_IS_ENABLED).fetchone()
    if not row[0]:
        connection.execute(
            "ALTER TABLE reading SET (timescaledb.compress, "
            "timescaledb.compress_segmentby = 'device_id', timescaledb.compress_orderby = 'time')"
        )
    row = connection.execute(_IS_ENABLED_ON_HOURS).fetchone()
    if row is not None and not row[0]:
        connection.execute(
            "ALTER MATERIALIZED VIEW hourly_bucket SET (timescaledb.compress = true)"
        )


def compress_chunk(connection: Connection, chunk: Chunk) -> None:
    """Compress a chunk, in a transaction of its own. Repeating it is safe."""
    connection.execute(
        sql.SQL("SELECT compress_chunk({}::regclass, if_not_compressed => true)").format(
            sql.Literal(f'"{chunk.schema}"."{chunk.name}"')
        )
    )
