"""Local days and billing months, from hours; an hour that two days share, from readings."""

from datetime import datetime, timedelta
from typing import Any, LiteralString

from telemetry.store.aggregates.dirty import DirtyAccount
from telemetry.store.db.connection import Connection
from telemetry.store.db.sql import Queries


class Sql(Queries):
    find_affected_days: LiteralString
    find_changed_days: LiteralString
    refresh_days: LiteralString
    find_affected_months: LiteralString
    find_affected_account_months: LiteralString
    refresh_months: LiteralString
    delete_days: LiteralString
    find_affected_account_hours: LiteralString
    find_affected_account_spans: LiteralString
    delete_months: LiteralString
    split_hour: LiteralString


HOUR = timedelta(hours=1)
DAY = timedelta(days=1)


def refresh_days(connection: Connection) -> int:
    """Compute the local days of affected hours; returns how many."""
    row: Any = connection.execute(
        "SELECT min(first), max(last) FROM ("
        "SELECT min(hour) AS first, max(hour) AS last FROM affected_hour "
        "UNION ALL SELECT min(since), max(until) FROM affected_span) AS bounds"
    ).fetchone()
    first, last = row
    if first is None:
        return 0
    connection.execute(Sql.find_affected_days, {"first": first, "last": last}, prepare=False)
    connection.execute(Sql.find_changed_days)
    connection.execute("ANALYZE affected_day")
    for border in _list_borders(connection):
        _split_hour(connection, border=border)
    # The affected days reach at most a day beyond the affected hours, and their zones another one.
    bounds = {"first": first - 3 * DAY, "last": last + 3 * DAY}
    row = connection.execute(Sql.refresh_days, bounds, prepare=False).fetchone()
    days: int = row[0]
    return days


def refresh_months(connection: Connection, *, dirty: DirtyAccount | None = None) -> tuple[int, int]:
    """Compute the months of affected days, or of an account's devices.

    Returns the numbers of months and of adjustments.
    """
    if dirty is None:
        connection.execute(Sql.find_affected_months)
    else:
        connection.execute(Sql.find_affected_account_months, _scope(dirty))
    connection.execute("ANALYZE affected_month")
    row: Any = connection.execute(Sql.refresh_months).fetchone()
    months, adjusted = row
    return months, adjusted


def delete_old_calendar(connection: Connection, dirty: DirtyAccount) -> None:
    """Delete an account's rows of the old calendar, and find what the new one affects."""
    if dirty.new_days:
        connection.execute(Sql.delete_days, _scope(dirty))
        connection.execute(Sql.find_affected_account_hours, _scope(dirty))
        connection.execute(Sql.find_affected_account_spans, _scope(dirty))
        connection.execute("ANALYZE affected_hour")
    connection.execute(Sql.delete_months, _scope(dirty))


def _scope(dirty: DirtyAccount) -> dict[str, Any]:
    return {"account_id": dirty.account_id, "device_ids": dirty.device_ids}


def _list_borders(connection: Connection) -> list[datetime]:
    """Where affected days begin or end inside a UTC hour."""
    rows: Any = connection.execute(
        "SELECT DISTINCT border FROM affected_day, LATERAL (VALUES (starts_at), (ends_at)) AS b "
        "(border) WHERE border <> date_trunc('hour', border, 'UTC') ORDER BY 1"
    ).fetchall()
    return [border for (border,) in rows]


def _split_hour(connection: Connection, *, border: datetime) -> None:
    hour = border.replace(minute=0, second=0, microsecond=0)
    bounds = {"hour": hour, "border": border, "end": hour + HOUR}
    connection.execute(Sql.split_hour, bounds, prepare=False)
