"""The schema, migrated once for all processes of a run; and a database emptied for each test."""

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from hashlib import sha256
from pathlib import Path
from urllib.parse import urlsplit

import psycopg
from django.db import connections
from psycopg.pq import TransactionStatus

from compose.local.folderlock import hold_lock
from compose.local.layout import LOCAL
from telemetry.store.db.connection import Connection
from tests.servers.server_set import ServerSet

ROOT = Path(__file__).parents[1]
DECIDING = (
    *("telemetry/apps.py", "telemetry/models/*.py", "telemetry/store/db/*.py"),
    *("telemetry/migrations/*.py", "telemetry/sql/**/*.sql", "config/*.py", "requirements/*.txt"),
    *("compose/local/servers/**/*.py", "compose/servers/**/*"),
)
KEPT_TABLES = ("django_migrations", "django_content_type", "auth_permission", "spatial_ref_sys")
FEW = 1_000
TABLES = "SELECT tablename FROM pg_tables WHERE schemaname = 'public' AND tablename <> ALL (%s)"
DROP_CHUNKS = """
SELECT drop_chunks(format('%I', hypertable_name)::regclass, older_than => 'infinity'::timestamptz)
FROM timescaledb_information.hypertables WHERE hypertable_schema = 'public' AND num_chunks > 0
"""
# What cannot be left as it was by deleting rows: what the planner was told of a table.
MARKED = "SELECT relname FROM pg_class WHERE oid = ANY (%s::text[]::regclass[]) AND reltuples > 0"
RESTART_SEQUENCES = """
SELECT setval(s.seqrelid, s.seqstart, false)
FROM pg_sequence s JOIN pg_depend d ON d.objid = s.seqrelid AND d.classid = 'pg_class'::regclass
WHERE d.refobjid = ANY (%s::text[]::regclass[]) AND d.deptype IN ('a', 'i')
    AND pg_sequence_last_value(s.seqrelid) IS NOT NULL
"""


def provide_cluster() -> Path:
    """Data of a stopped PostgreSQL whose database is migrated. Who comes first makes it; it is kept
    for the runs after this one, until something changes that it is made of."""
    folder = LOCAL / "test"
    folder.mkdir(parents=True, exist_ok=True)
    cluster = folder / f"schema-{make_digest()}"
    with hold_lock(folder / "schema.lock", waiting="the schema of the tests"):
        if not cluster.exists():
            for old in folder.glob("schema-*"):
                shutil.rmtree(old)
            with ServerSet() as servers:
                subprocess.run(
                    [sys.executable, "manage.py", "migrate", "--verbosity", "0"],
                    cwd=ROOT,
                    env={**os.environ, **servers.environ},
                    check=True,
                )
                servers.postgres.stop()
                fresh = folder / "schema-new"
                subprocess.run(["cp", "-a", servers.postgres.folder, fresh], check=True)
            fresh.rename(cluster)
    return cluster


def make_digest() -> str:
    """Of all files that decide what a migrated database is."""
    paths = [path for pattern in DECIDING for path in ROOT.glob(pattern) if path.is_file()]
    lines = [f"{path.relative_to(ROOT)} {sha256(path.read_bytes()).hexdigest()}" for path in paths]
    return sha256("\n".join(sorted(lines)).encode()).hexdigest()[:12]


def is_usable(connection: Connection) -> bool:
    """Whether a test left its connection open and at rest; then it is made as good as new."""
    if connection.closed or connection.info.transaction_status != TransactionStatus.IDLE:
        connection.close()
        return False
    try:
        # As DISCARD ALL does it, but for prepared statements, which the client counts on.
        for statement in ("RESET ALL", "DISCARD TEMP", "SELECT pg_advisory_unlock_all()"):
            connection.execute(statement)  # type: ignore[arg-type]
    except psycopg.OperationalError:
        return False
    return True


def clear_tables(connection: Connection) -> None:
    """Leave the database as `migrate` made it, but for what the migrations filled in."""
    tables = [name for (name,) in connection.execute(TABLES, [list(KEPT_TABLES)]).fetchall()]
    if any(size > FEW for size in count_rows(connection, tables).values()):
        truncate(connection, ", ".join(tables))
    else:
        delete_rows(connection, tables)
    # Continuous aggregates (Community edition) keep their rows when their readings go.
    for (name,) in connection.execute(
        "SELECT view_name FROM timescaledb_information.continuous_aggregates"
    ).fetchall():
        connection.execute(f"TRUNCATE {name}")  # type: ignore[arg-type]


def delete_rows(connection: Connection, tables: list[str]) -> None:
    """Few rows are deleted in a tenth of the time of a TRUNCATE, which makes every file anew."""
    connection.execute(DROP_CHUNKS)  # in a third of the time of a TRUNCATE
    for (name,) in connection.execute(MARKED, [tables]).fetchall():
        truncate(connection, name)
    # Triggers note what is deleted, in tables that may have been empty: again until none is left.
    while found := [name for name, size in count_rows(connection, tables).items() if size]:
        with connection.transaction():
            connection.execute("SET CONSTRAINTS ALL DEFERRED")
            # A trigger keeps devices of which something is known: they go last.
            for name in sorted(found, key=lambda name: name == "device"):
                connection.execute(f"DELETE FROM {name}")  # type: ignore[arg-type]
    connection.execute(RESTART_SEQUENCES, [tables])


def truncate(connection: Connection, tables: str) -> None:
    connection.execute(f"TRUNCATE {tables} RESTART IDENTITY CASCADE")  # type: ignore[arg-type]


def count_rows(connection: Connection, tables: list[str]) -> dict[str, int]:
    """Rows of each table, counted no further than to `FEW` and one more."""
    counts = ", ".join(
        f"(SELECT count(*) FROM (SELECT FROM {name} LIMIT {FEW + 1}) counted)" for name in tables
    )
    row = connection.execute(f"SELECT {counts}").fetchone()  # type: ignore[arg-type]
    return dict(zip(tables, row or (), strict=True))


@contextmanager
def connect_as(address: str) -> Iterator[None]:
    """For a while, Django connects as this role, and not as the web process does."""
    default, role = connections["default"], urlsplit(address)
    before = {name: default.settings_dict[name] for name in ("USER", "PASSWORD")}
    default.close()
    default.settings_dict.update(USER=role.username, PASSWORD=role.password)
    try:
        yield
    finally:
        default.close()
        default.settings_dict.update(before)
