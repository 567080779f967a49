"""The database connection of one worker process. It stays open: one a task would cost too much."""

from typing import TypeAlias

import psycopg
from psycopg import sql
from psycopg.types.json import set_json_dumps

from config.database import EVERY_ACCOUNT, make_connect_arguments

Connection: TypeAlias = psycopg.Connection[tuple[object, ...]]


def open_connection(
    url: str, *, name: str, statement_timeout_s: int, transaction_timeout_s: int = 0
) -> Connection:
    """Connect in autocommit mode, so that transactions are explicit; 0: they may take any time.
    Raises `psycopg.Error`.

    Late readings may meet compressed ones without limit: TimescaleDB would refuse a batch for which
    it had to decompress more than 100,000 rows, with an error that looks transient.
    """
    arguments = make_connect_arguments(
        url,
        name=name,
        keepalives_idle=15,
        keepalives_interval=5,
        keepalives_count=3,
        tcp_user_timeout=30_000,
        options=f"-c statement_timeout={statement_timeout_s}s -c lock_timeout=30s "
        f"-c transaction_timeout={transaction_timeout_s}s "
        "-c idle_in_transaction_session_timeout=120s -c timezone=UTC "
        f"-c timescaledb.max_tuples_decompressed_per_dml_transaction=0 {EVERY_ACCOUNT}",
    )
    connection = psycopg.connect(autocommit=True, **arguments)
    # Values for jsonb columns are JSON texts already.
    set_json_dumps(str, connection)
    return connection


def become_owner(connection: Connection) -> None:
    """Go on with the rights of the tables' owner, where the role has them and does not use them.

    Only an owner drops or compresses chunks, and refreshes a continuous aggregate.
    """
    row = connection.execute(
        "SELECT pg_get_userbyid(relowner) FROM pg_class WHERE oid = 'public.reading'::regclass"
    ).fetchone()
    owner = str(row[0]) if row else ""
    if owner != connection.info.user:
        connection.execute(sql.SQL("SET ROLE {}").format(sql.Identifier(owner)))
