"""Keep the hourly aggregates current, in either edition of TimescaleDB.

Community: a continuous aggregate, refreshed over the range that new readings touched. Apache: a
table, of which only the touched hours are computed again. One refresher at a time.
"""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

from msgspec import Struct

from telemetry.store.connection import Connection
from telemetry.store.edition import read_edition
from telemetry.store.queries import query

REFRESH_LOCK = 0x7464_7331  # the advisory lock of refreshers: "tds1"
NOTES_A_STEP = 5_000


class Refreshed(Struct):
    """What one refresh did."""

    edition: str
    notes: int
    hours: int


class RefreshBusyError(Exception):
    """Another refresh is under way."""


def refresh_hourly(
    connection: Connection, *, progress: Callable[[int], None] | None = None
) -> Refreshed:
    """Recompute every hour noted as dirty. Outside a transaction (pitfall T1).

    Raises `RefreshBusyError` or `psycopg.Error`; repeating it is safe.
    """
    row: Any = connection.execute("SELECT pg_try_advisory_lock(%s)", [REFRESH_LOCK]).fetchone()
    if not row[0]:
        raise RefreshBusyError
    try:
        with connection.cursor() as cursor:
            edition = read_edition(cursor)
        refreshed = Refreshed(edition, 0, 0)
        step = _refresh_community if edition == "community" else _refresh_apache
        while True:
            notes, hours = step(connection)
            refreshed.notes += notes
            refreshed.hours += hours
            if progress is not None:
                progress(refreshed.notes)
            if notes < NOTES_A_STEP:
                return refreshed
    finally:
        if not connection.closed:
            connection.execute("SELECT pg_advisory_unlock(%s)", [REFRESH_LOCK])


def _refresh_apache(connection: Connection) -> tuple[int, int]:
    row: Any = connection.execute(query("refresh_hourly"), {"limit": NOTES_A_STEP}).fetchone()
    return row[0], row[1]


def _refresh_community(connection: Connection) -> tuple[int, int]:
    """Refresh each run of neighbouring dirty hours, then forget the notes that were read."""
    rows: Any = connection.execute(
        "SELECT id, hour FROM dirty_hour ORDER BY hour, id LIMIT %s", [NOTES_A_STEP]
    ).fetchall()
    hours = sorted({hour for _, hour in rows})
    hour = timedelta(hours=1)
    start = None
    for index, at in enumerate(hours):
        start = start or at
        if index + 1 == len(hours) or hours[index + 1] != at + hour:
            connection.execute(
                "CALL refresh_continuous_aggregate('hourly_aggregate', %s, %s)", [start, at + hour]
            )
            start = None
    connection.execute("DELETE FROM dirty_hour WHERE id = ANY(%s)", [[note for note, _ in rows]])
    return len(rows), len(hours)
