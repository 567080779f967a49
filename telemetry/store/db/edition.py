"""Which edition of TimescaleDB this is: found out, never guessed."""

from typing import Any

import psycopg
from django.db import DatabaseError

INSTALL_HINT = (
    "DATABASE_URL: this database has no TimescaleDB: expected the extension timescaledb "
    "to be installed on the server (Debian: postgresql-17-timescaledb) and named in "
    "shared_preload_libraries ({reason})"
)


class TimescaleMissingError(Exception):
    """The database lacks the extension; the text is one line for the operator."""


def ensure_extension(cursor: Any) -> None:
    """Create the extension in this database. Raises `TimescaleMissingError`."""
    cursor.execute("SELECT count(*) FROM pg_available_extensions WHERE name = 'timescaledb'")
    if not cursor.fetchone()[0]:
        raise TimescaleMissingError(INSTALL_HINT.format(reason="it is not installed"))
    try:
        cursor.execute("CREATE EXTENSION IF NOT EXISTS timescaledb")
    except (psycopg.Error, DatabaseError) as error:
        # Not preloaded, or a role that may not create it: the server's own words say which.
        reason = str(error).strip().splitlines()[0]
        raise TimescaleMissingError(INSTALL_HINT.format(reason=reason)) from error


def read_edition(cursor: Any) -> str:
    """`community` or `apache`, as the server says."""
    cursor.execute("SELECT current_setting('timescaledb.license', true)")
    return "community" if cursor.fetchone()[0] == "timescale" else "apache"
