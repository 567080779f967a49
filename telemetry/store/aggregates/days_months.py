"""Local days and billing months, from hours; of an hour that two days share, from its readings."""

from datetime import datetime, timedelta
from typing import Any, LiteralString

from telemetry.store.aggregates.dirty import AccountNote
from telemetry.store.db.connection import Connection
from telemetry.store.db.sql import Queries


class Sql(Queries):
    touch_days: LiteralString
    refresh_days: LiteralString
    forget_empty_days: LiteralString
    touch_months: LiteralString
    touch_account_months: LiteralString
    refresh_months: LiteralString
    forget_days: LiteralString
    touch_account_hours: LiteralString
    forget_months: LiteralString
    cut_hour: LiteralString


HOUR = timedelta(hours=1)
DAY = timedelta(days=1)


def refresh_days(connection: Connection) -> int:
    """Compute the local days of touched hours again; how many."""
    row: Any = connection.execute("SELECT min(hour), max(hour) FROM touched_hour").fetchone()
    first, last = row
    if first is None:
        return 0
    connection.execute(Sql.touch_days, {"first": first, "last": last}, prepare=False)
    connection.execute("ANALYZE touched_day")
    for border in _list_borders(connection):
        _cut_hour(connection, border=border)
    # The touched days reach at most a day beyond the touched hours, and their zones another one.
    bounds = {"first": first - 3 * DAY, "last": last + 3 * DAY}
    days = connection.execute(Sql.refresh_days, bounds, prepare=False).rowcount
    connection.execute(Sql.forget_empty_days, bounds, prepare=False)
    return days


def refresh_months(connection: Connection, *, note: AccountNote | None = None) -> tuple[int, int]:
    """Compute the months of touched days again, or of a note; months and adjustments."""
    if note is None:
        connection.execute(Sql.touch_months)
    else:
        connection.execute(Sql.touch_account_months, _scope(note))
    row: Any = connection.execute(Sql.refresh_months).fetchone()
    months, adjusted = row
    return months, adjusted


def forget_calendars(connection: Connection, note: AccountNote) -> None:
    """Delete what an old calendar cut of a note's devices, and touch what the new one cuts."""
    if note.cut_days:
        connection.execute(Sql.forget_days, _scope(note))
        connection.execute(Sql.touch_account_hours, _scope(note))
        connection.execute("ANALYZE touched_hour")
    connection.execute(Sql.forget_months, _scope(note))


def _scope(note: AccountNote) -> dict[str, Any]:
    return {"account_id": note.account_id, "device_ids": note.device_ids}


def _list_borders(connection: Connection) -> list[datetime]:
    """Where touched days begin or end inside a UTC hour."""
    rows: Any = connection.execute(
        "SELECT DISTINCT border FROM touched_day, LATERAL (VALUES (starts_at), (ends_at)) AS b "
        "(border) WHERE border <> date_trunc('hour', border, 'UTC') ORDER BY 1"
    ).fetchall()
    return [border for (border,) in rows]


def _cut_hour(connection: Connection, *, border: datetime) -> None:
    hour = border.replace(minute=0, second=0, microsecond=0)
    bounds = {"hour": hour, "border": border, "end": hour + HOUR}
    connection.execute(Sql.cut_hour, bounds, prepare=False)
