"""The database's part of a backup: tables out and in, as binary COPY."""

from collections.abc import Callable, Iterable, Iterator
from graphlib import TopologicalSorter
from typing import Any

from django.db.migrations.loader import MigrationLoader
from psycopg import sql

from telemetry.backup.archive import Table
from telemetry.store.db.connection import Connection

# Created by `migrate`, or meaningless in another database.
LEFT_OUT = ("django_migrations", "registry_change")
# What `migrate` fills in an empty database; loading replaces it.
FILLED_BY_MIGRATE = ("alarm_rule", "django_content_type", "auth_permission", "raw_horizon")

_TABLES = """
SELECT c.oid::bigint, c.relname,
    (SELECT array_agg(a.attname::text ORDER BY a.attnum) FROM pg_attribute a
     WHERE a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped AND a.attgenerated = ''),
    (SELECT coalesce(array_agg(k.confrelid::bigint), '{}') FROM pg_constraint k
     WHERE k.conrelid = c.oid AND k.contype = 'f' AND k.confrelid <> c.oid)
FROM pg_class c WHERE c.relnamespace = 'public'::regnamespace AND c.relkind = 'r'
"""

# Community edition: hourly rows outlive the readings they come from, so they are saved, too.
_AGGREGATES = """
SELECT g.view_name::text, array_agg(a.attname::text ORDER BY a.attnum)
FROM timescaledb_information.continuous_aggregates g
JOIN pg_attribute a ON a.attrelid = format('%I.%I', g.view_schema, g.view_name)::regclass
    AND a.attnum > 0 AND NOT a.attisdropped
WHERE g.view_schema = 'public' GROUP BY 1 ORDER BY 1
"""
_TARGET = """
SELECT materialization_hypertable_schema::text, materialization_hypertable_name::text
FROM timescaledb_information.continuous_aggregates
WHERE view_schema = 'public' AND view_name = %s
"""


def list_tables(connection: Connection) -> list[Table]:
    """Every table that is saved; those that others point to first, continuous aggregates last."""
    rows: Any = connection.execute(_TABLES).fetchall()
    by_id = {oid: Table(name, columns) for oid, name, columns, _ in rows}
    order = TopologicalSorter({oid: targets for oid, _, _, targets in rows}).static_order()
    tables = [by_id[oid] for oid in order if oid in by_id and by_id[oid].name not in LEFT_OUT]
    aggregates: Any = connection.execute(_AGGREGATES).fetchall()
    return tables + [Table(name, columns) for name, columns in aggregates]


def list_migrations(connection: Connection) -> list[str]:
    """The migrations that made the schema."""
    rows: Any = connection.execute(
        "SELECT app || '.' || name FROM django_migrations ORDER BY 1"
    ).fetchall()
    return [name for (name,) in rows]


def squash(migrations: Iterable[str]) -> set[str]:
    """These migrations without those that others replaced: equal schemas have equal results."""
    found = set(migrations)
    for (app, name), migration in MigrationLoader(None).disk_migrations.items():
        replaced = {f"{app}.{name}" for app, name in migration.replaces}
        if replaced and replaced <= found:
            found = found - replaced | {f"{app}.{name}"}
    return found


def copy_out(
    connection: Connection, table: Table, *, on_end: Callable[[int], None]
) -> Iterator[bytes]:
    """The rows of a table; `on_end` gets their number. The caller's transaction is the instant."""
    statement = sql.SQL("COPY (SELECT {} FROM {}) TO STDOUT (FORMAT BINARY)").format(
        sql.SQL(", ").join(map(sql.Identifier, table.columns)), sql.Identifier(table.name)
    )
    with connection.cursor() as cursor:
        with cursor.copy(statement) as copy:
            for block in copy:
                yield bytes(block)
        on_end(cursor.rowcount)


def copy_in(connection: Connection, table: Table, blocks: Iterator[bytes]) -> int:
    """Load the rows of a table; how many."""
    # Rows of a continuous aggregate go where its refresh puts them.
    target: Any = connection.execute(_TARGET, [table.name]).fetchone() or ("public", table.name)
    statement = sql.SQL("COPY {} ({}) FROM STDIN (FORMAT BINARY)").format(
        sql.Identifier(*target), sql.SQL(", ").join(map(sql.Identifier, table.columns))
    )
    with connection.cursor() as cursor:
        with cursor.copy(statement) as copy:
            for block in blocks:
                copy.write(block)
        return cursor.rowcount


def find_filled(connection: Connection, tables: list[Table]) -> list[str]:
    """Tables that hold rows which `migrate` did not put there."""
    return [
        table.name
        for table in tables
        if table.name not in FILLED_BY_MIGRATE
        and connection.execute(
            sql.SQL("SELECT 1 FROM {} LIMIT 1").format(sql.Identifier(table.name))
        ).fetchone()
    ]


def empty_tables(connection: Connection, names: list[str]) -> None:
    """Delete every row of these tables. Continuous aggregates among them have none."""
    tables = [
        sql.Identifier(name)
        for name in names
        if connection.execute(_TARGET, [name]).fetchone() is None
    ]
    connection.execute(sql.SQL("TRUNCATE {} CASCADE").format(sql.SQL(", ").join(tables)))


def move_sequences(connection: Connection, tables: list[Table]) -> None:
    """Let each sequence go on behind the highest key that was loaded."""
    for table in tables:
        for column in table.columns:
            row: Any = connection.execute(
                "SELECT pg_get_serial_sequence(%s, %s)", [f'public."{table.name}"', column]
            ).fetchone()
            if row[0] is not None:
                connection.execute(
                    sql.SQL(
                        "SELECT setval(%s, (SELECT coalesce(max({}), 0) + 1 FROM {}), false)"
                    ).format(sql.Identifier(column), sql.Identifier(table.name)),
                    [row[0]],
                )


def read_ledger_ends(connection: Connection) -> tuple[int, int]:
    """Messages in the ledger, and the highest sequence number of a batch."""
    row: Any = connection.execute(
        "SELECT coalesce(sum(messages), 0)::bigint, coalesce(max(seq), 0)::bigint FROM ("
        "SELECT messages, seq FROM batch UNION ALL SELECT messages, max_seq FROM batch_day) AS b"
    ).fetchone()
    return int(row[0]), int(row[1])


def list_stored_batches(connection: Connection, stems: list[str]) -> dict[str, int]:
    """Messages by id of the stored batches, and halves of batches, with these stems."""
    rows: Any = connection.execute(
        "SELECT id, messages FROM batch WHERE split_part(id, '.', 1) = ANY(%s)", [stems]
    ).fetchall()
    return dict(rows)
