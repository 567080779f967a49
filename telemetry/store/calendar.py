"""Local days and billing months, from hours; days that begin inside a UTC hour from readings."""

from datetime import datetime, timedelta
from typing import Any

from telemetry.store.connection import Connection
from telemetry.store.notes import AccountNote
from telemetry.store.queries import query

DAY = timedelta(days=1)


def refresh_days(connection: Connection) -> int:
    """Compute the local days of touched hours again; how many."""
    row: Any = connection.execute("SELECT min(hour), max(hour) FROM touched_hour").fetchone()
    first, last = row
    if first is None:
        return 0
    connection.execute(query("touch_days"), {"first": first, "last": last}, prepare=False)
    connection.execute("ANALYZE touched_day")
    # The touched days reach at most a day beyond the touched hours, and their zones another one.
    bounds = {"first": first - 3 * DAY, "last": last + 3 * DAY}
    days = connection.execute(query("refresh_days_from_hours"), bounds, prepare=False).rowcount
    return days + sum(_refresh_from_readings(connection, *span) for span in _list_spans(connection))


def refresh_months(
    connection: Connection, *, account_ids: list[int] | None = None
) -> tuple[int, int]:
    """Compute the months of touched days again, or all of accounts; months and adjustments."""
    if account_ids is None:
        connection.execute(query("touch_months"))
    else:
        connection.execute(query("touch_account_months"), {"account_ids": account_ids})
    row: Any = connection.execute(query("refresh_months")).fetchone()
    months, adjusted = row
    return months, adjusted


def forget_calendars(connection: Connection, note: AccountNote) -> None:
    """Delete what an account's old calendar cut, and touch what its new one cuts."""
    of_account = {"account_ids": [note.account_id]}
    if note.cut_days:
        connection.execute(query("forget_days"), of_account)
        connection.execute(query("touch_account_hours"), of_account)
        connection.execute("ANALYZE touched_hour")
    connection.execute(query("forget_months"), of_account)


def _list_spans(connection: Connection) -> list[tuple[datetime, datetime]]:
    rows: Any = connection.execute(
        "SELECT DISTINCT starts_at, ends_at FROM touched_day WHERE NOT is_whole_hours ORDER BY 1, 2"
    ).fetchall()
    return list(rows)


def _refresh_from_readings(connection: Connection, start: datetime, end: datetime) -> int:
    border = start.replace(minute=0, second=0, microsecond=0)
    return connection.execute(
        query("refresh_days_from_readings"),
        {"start": start, "end": end, "border": border},
        prepare=False,
    ).rowcount
