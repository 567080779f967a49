"""How much is stored: rows, bytes, compression, from the catalogs and the ends of indexes.

Nothing here reads a table through; row counts are the server's estimates, exact for small tables.
"""

from datetime import datetime
from typing import Any

from msgspec import Struct
from psycopg import sql

from telemetry.store.db.connection import Connection
from telemetry.store.db.edition import read_edition
from telemetry.store.retention.chunks import list_chunks

SMALL_BYTES = 16_000_000  # counted, not estimated, when the server has no estimate

_PLAIN = """
SELECT nullif(greatest(reltuples, 0)::bigint, 0), pg_table_size(oid), pg_indexes_size(oid)
FROM pg_class WHERE oid = ('public.' || %s)::regclass
"""
_CHUNKED = """
SELECT nullif(approximate_row_count(%(relation)s::regclass), 0), table_bytes + toast_bytes,
    index_bytes
FROM hypertable_detailed_size(%(relation)s::regclass)
"""
_COMPRESSED = """
SELECT sum(before_compression_total_bytes)::bigint, sum(after_compression_total_bytes)::bigint,
    sum(number_compressed_chunks)::bigint
FROM hypertable_compression_stats(%s::regclass)
"""
_MATERIALIZED = """
SELECT format('%%I.%%I', materialization_hypertable_schema, materialization_hypertable_name)
FROM timescaledb_information.continuous_aggregates
WHERE view_schema = 'public' AND view_name = %s
"""
_CHUNKS_COUNT = """
SELECT count(*) FROM show_chunks(%s::regclass)
"""
# The ends of each device's part of a key: two probes a device.
_ENDS_BY_DEVICE = """
SELECT min(low.at), max(high.at) FROM device d
CROSS JOIN LATERAL (SELECT {at} AS at FROM {relation} WHERE device_id = d.id AND {bounds}
    ORDER BY {at} LIMIT 1) low
CROSS JOIN LATERAL (SELECT {at} AS at FROM {relation} WHERE device_id = d.id AND {bounds}
    ORDER BY {at} DESC LIMIT 1) high
"""
ANYWHERE = sql.SQL("true")


class RelationSize(Struct):
    """What a relation takes. None: unknown, or there is no such thing. `oldest` and `newest` are
    dates for days and months."""

    name: str
    table_bytes: int
    index_bytes: int
    rows: int | None = None
    oldest: Any = None
    newest: Any = None
    chunks: int | None = None
    compressed_chunks: int = 0
    before_bytes: int = 0
    after_bytes: int = 0

    @property
    def total_bytes(self) -> int:
        """Everything on disk, compressed chunks included."""
        return self.table_bytes + self.index_bytes

    @property
    def ratio(self) -> float | None:
        """Bytes before compression for each byte after it, of what is compressed."""
        return round(self.before_bytes / self.after_bytes, 1) if self.after_bytes else None

    @property
    def bytes_a_row(self) -> int | None:
        """Table and indexes, shared out."""
        return round(self.total_bytes / self.rows) if self.rows else None


def read_sizes(connection: Connection) -> list[RelationSize]:
    """Every relation that grows. Raises `psycopg.Error`."""
    with connection.cursor() as cursor:
        is_community = read_edition(cursor) == "community"
    readings = _measure_chunked(connection, "reading", "public.reading")
    readings.oldest, readings.newest = _find_reading_ends(connection)
    return [
        readings,
        _measure_hours(connection, is_community=is_community),
        _measure_plain(connection, "hourly_consumption"),
        _measure_plain(connection, "daily_aggregate", ends=_by_device("daily_aggregate", "day")),
        _measure_plain(connection, "monthly_total", ends=_by_index("monthly_total", "month")),
        _measure_plain(connection, "dead_letter", ends=_by_index("dead_letter", "last_seen")),
        _measure_plain(connection, "batch", ends=_by_index("batch", "stored_at")),
        _measure_plain(connection, "batch_day", ends=_by_index("batch_day", "day")),
    ]


def _measure_hours(connection: Connection, *, is_community: bool) -> RelationSize:
    if not is_community:
        ends = _by_device("hourly_aggregate", "hour")
        return _measure_plain(connection, "hourly_aggregate", ends=ends)
    row: Any = connection.execute(_MATERIALIZED, ["hourly_bucket"]).fetchone()
    size = _measure_chunked(connection, "hourly_aggregate", row[0])
    size.oldest, size.newest = _fetch(connection, _by_index("hourly_aggregate", "hour"))
    return size


def _measure_chunked(connection: Connection, name: str, relation: str) -> RelationSize:
    row: Any = connection.execute(_CHUNKED, {"relation": relation}).fetchone()
    stats: Any = connection.execute(_COMPRESSED, [relation]).fetchone()
    chunks: Any = connection.execute(_CHUNKS_COUNT, [relation]).fetchone()
    size = RelationSize(name, int(row[1] or 0), int(row[2] or 0), row[0], chunks=chunks[0])
    size.before_bytes, size.after_bytes, size.compressed_chunks = (int(n or 0) for n in stats)
    return _count_if_small(connection, size)


def _measure_plain(
    connection: Connection, relation: str, *, ends: sql.Composed | None = None
) -> RelationSize:
    row: Any = connection.execute(_PLAIN, [relation]).fetchone()
    size = RelationSize(relation, row[1], row[2], row[0])
    if ends is not None:
        size.oldest, size.newest = _fetch(connection, ends)
    return _count_if_small(connection, size)


def _count_if_small(connection: Connection, size: RelationSize) -> RelationSize:
    if size.rows is None and size.total_bytes < SMALL_BYTES:
        count = sql.SQL("SELECT count(*) FROM {}").format(sql.Identifier(size.name))
        row: Any = connection.execute(count).fetchone()
        size.rows = row[0]
    return size


def _find_reading_ends(connection: Connection) -> tuple[datetime | None, datetime | None]:
    """The oldest and the newest reading, looked up in the first and the last chunk alone."""
    chunks = list_chunks(connection, "reading")
    if not chunks:
        return None, None
    ends = []
    for chunk in (chunks[0], chunks[-1]):
        bounds = sql.SQL("time >= {} AND time < {}").format(
            sql.Literal(chunk.start), sql.Literal(chunk.end)
        )
        ends.append(_fetch(connection, _by_device("reading", "time", bounds)))
    return ends[0][0], ends[1][1]


def _by_device(relation: str, at: str, bounds: sql.Composable = ANYWHERE) -> sql.Composed:
    return sql.SQL(_ENDS_BY_DEVICE).format(
        relation=sql.Identifier(relation), at=sql.Identifier(at), bounds=bounds
    )


def _by_index(relation: str, at: str) -> sql.Composed:
    return sql.SQL("SELECT min({at}), max({at}) FROM {relation}").format(
        relation=sql.Identifier(relation), at=sql.Identifier(at)
    )


def _fetch(connection: Connection, statement: sql.SQL | sql.Composed) -> tuple[Any, Any]:
    row: Any = connection.execute(statement).fetchone()
    return row[0], row[1]
