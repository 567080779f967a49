"""Hours: the aggregates of readings, and what registers counted.

Statements over `reading` name one UTC day, or a part of it, as constants and are planned each time:
a plan kept for all days would open every chunk.
"""

from datetime import datetime, timedelta
from typing import Any, LiteralString

from telemetry.store.aggregates.throttle import Pace
from telemetry.store.db.connection import Connection
from telemetry.store.db.sql import Queries


class Sql(Queries):
    noted_hours: LiteralString
    refresh_hourly: LiteralString
    refresh_registers: LiteralString
    touch_next_hours: LiteralString
    settle_consumption: LiteralString


HOUR = timedelta(hours=1)
DAY = timedelta(days=1)


def refresh_community(connection: Connection, notes: list[int]) -> None:
    """Refresh the continuous aggregate over each run of neighbouring noted hours.

    Outside a transaction (pitfall T1), and never over hours that were dropped: they would go.
    """
    rows: Any = connection.execute(Sql.noted_hours, {"ids": notes}).fetchall()
    for run in _find_runs([hour for (hour,) in rows]):
        connection.execute("CALL refresh_continuous_aggregate('hourly_aggregate', %s, %s)", run)


def force_community(connection: Connection, hours: list[datetime]) -> None:
    """Make hours (sorted) of the continuous aggregate anew though no reading of them changed."""
    for run in _find_runs(hours):
        connection.execute(
            "CALL refresh_continuous_aggregate('hourly_aggregate', %s, %s, force => true)", run
        )


def refresh_hours(connection: Connection, *, edition: str, pace: Pace | None = None) -> None:
    """Compute the touched hours again, where no continuous aggregate does, and the consumption of
    cumulative devices in them and in the hours after.

    Day by day: what an hour's devices read is in memory when their registers are read.
    """
    registers = list_utc_days(connection, only_registers=True)
    for start in list_utc_days(connection, only_registers=edition == "community"):
        if edition == "apache":
            _compute_day(connection, Sql.refresh_hourly, start=start, pace=pace)
        if start in registers:
            _compute_day(connection, Sql.refresh_registers, start=start, pace=pace)
    if registers:
        connection.execute(Sql.touch_next_hours)
        connection.execute(Sql.settle_consumption)


def list_utc_days(connection: Connection, *, only_registers: bool) -> list[datetime]:
    """The first instants of the UTC days that touched hours lie in."""
    rows: Any = connection.execute(
        "SELECT DISTINCT date_trunc('day', hour, 'UTC') FROM touched_hour "
        "WHERE measurement = 'cumulative' OR NOT %s ORDER BY 1",
        [only_registers],
    ).fetchall()
    return [start for (start,) in rows]


def _find_runs(hours: list[datetime]) -> list[list[datetime]]:
    """Runs of neighbouring hours (sorted), of a day at most: first instant and end.

    Shorter calls: each is one statement, and what it refreshed stays when a later one fails.
    """
    runs: list[list[datetime]] = []
    for hour in hours:
        if runs and runs[-1][1] == hour and hour - runs[-1][0] < DAY:
            runs[-1][1] = hour + HOUR
        else:
            runs.append([hour, hour + HOUR])
    return runs


def _compute_day(
    connection: Connection, statement: LiteralString, *, start: datetime, pace: Pace | None
) -> None:
    """All touched hours of the day at once, but the hour that is going on at its pace."""
    end = start + DAY
    if pace is None or not start <= pace.hour < end:
        _compute(connection, statement, start=start, end=end)
        return
    if start < pace.hour:
        _compute(connection, statement, start=start, end=pace.hour)
    after = pace.hour + HOUR
    if after < end:
        _compute(connection, statement, start=after, end=end)
    rows: Any = connection.execute(
        "SELECT device_id FROM touched_hour WHERE hour = %s ORDER BY device_id", [pace.hour]
    ).fetchall()
    for piece in pace.split([device_id for (device_id,) in rows]):
        _compute(connection, statement, start=pace.hour, end=after, devices=piece)


def _compute(
    connection: Connection,
    statement: LiteralString,
    *,
    start: datetime,
    end: datetime,
    devices: list[int] | None = None,
) -> None:
    given = {"start": start, "end": end, "devices": devices}
    connection.execute(statement, given, prepare=False)
