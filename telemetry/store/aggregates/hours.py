"""Hours: the aggregates of readings, and what registers counted."""

from datetime import datetime, timedelta
from typing import Any, LiteralString

from telemetry.store.aggregates.continued import continue_hours
from telemetry.store.aggregates.spans import DAY, HOUR, compute, compute_span, list_spans
from telemetry.store.aggregates.throttle import Throttle
from telemetry.store.aggregates.uneven import count_uneven_hours
from telemetry.store.db.connection import Connection
from telemetry.store.db.sql import Queries


class Sql(Queries):
    list_dirty_hours: LiteralString
    refresh_hourly: LiteralString
    refresh_deltas: LiteralString
    scale_deltas: LiteralString
    refresh_registers: LiteralString
    record_gaps: LiteralString
    delete_wrong_kind: LiteralString
    find_affected_next_hours: LiteralString
    find_counted_hours: LiteralString
    count_hours: LiteralString
    find_emptied_hours: LiteralString
    delete_emptied_registers: LiteralString
    delete_emptied_hours: LiteralString


RESOLUTION = timedelta(microseconds=1)  # of instants: an hour's first one comes after its start


def refresh_community(connection: Connection, dirty_ids: list[int]) -> None:
    """Refresh the continuous aggregate over each run of neighbouring dirty hours.

    Outside a transaction, as TimescaleDB demands; never over dropped hours, which would be deleted.
    """
    rows: Any = connection.execute(Sql.list_dirty_hours, {"ids": dirty_ids}).fetchall()
    for run in _find_runs([hour for (hour,) in rows]):
        connection.execute("CALL refresh_continuous_aggregate('hourly_bucket', %s, %s)", run)


def force_community(connection: Connection, hours: list[datetime]) -> None:
    """Recompute hours (sorted) of the continuous aggregate though no reading of them changed."""
    for run in _find_runs(hours):
        connection.execute(
            "CALL refresh_continuous_aggregate('hourly_bucket', %s, %s, force => true)", run
        )


def refresh_hours(
    connection: Connection, *, edition: str, throttle: Throttle | None = None
) -> None:
    """Compute the affected hours, where no continuous aggregate does, and the consumption of
    registers and deltas in them and in the hours after.

    What came to an hour after all that it had is added. The others are read again, span by span:
    what an hour's devices read is in memory when their registers are read.
    """
    connection.execute(Sql.delete_wrong_kind)
    continue_hours(connection, edition=edition, throttle=throttle)
    registers = list_spans(connection, measurements=["cumulative"])
    deltas = list_spans(connection, measurements=["delta"])
    scaled = list_spans(connection, measurements=["delta"], is_scaled=True)
    for span in list_spans(connection):
        if edition == "apache":
            compute_span(connection, Sql.refresh_hourly, *span, throttle=throttle)
        elif span in deltas:
            compute_span(connection, Sql.refresh_deltas, *span, throttle=throttle)
        if span in scaled:
            compute(connection, Sql.scale_deltas, start=span[0], end=span[1])
        if span in registers:
            compute_span(connection, Sql.refresh_registers, *span, throttle=throttle)
    row: Any = connection.execute(
        "SELECT EXISTS (SELECT FROM affected_hour WHERE measurement <> 'gauge')"
    ).fetchone()
    if row[0]:
        connection.execute(Sql.find_affected_next_hours)
        connection.execute(Sql.record_gaps)
        connection.execute("ANALYZE affected_hour")
        connection.execute(Sql.find_counted_hours)
        connection.execute(Sql.count_hours)
        count_uneven_hours(connection)
        connection.execute(Sql.record_gaps)


def record_gaps(connection: Connection) -> None:
    """Remember the gaps that end in affected hours, before these are computed again."""
    connection.execute(Sql.record_gaps)


def delete_emptied_hours(connection: Connection, *, edition: str) -> None:
    """Delete the rows of hours whose readings were all voided; nothing without an edit.

    A continuous aggregate has lost its rows by its own refresh.
    """
    row: Any = connection.execute("SELECT EXISTS (SELECT FROM affected_edit)").fetchone()
    if not row[0]:
        return
    emptied: list[tuple[int, datetime]] = []
    for start, end in list_spans(connection):
        bounds = {"start": start, "end": end}
        found: Any = connection.execute(Sql.find_emptied_hours, bounds, prepare=False).fetchall()
        emptied += found
    parameters = {
        "device_ids": [device_id for device_id, _ in emptied],
        "hours": [hour for _, hour in emptied],
    }
    connection.execute(Sql.delete_emptied_registers, parameters)
    if edition == "apache":
        connection.execute(Sql.delete_emptied_hours, parameters)


def _find_runs(hours: list[datetime]) -> list[list[datetime]]:
    """Runs of neighbouring hours (sorted), of a day at most: first instant, and that of the hour
    after them.

    Shorter calls: each is one statement, and what it refreshed stays when a later one fails.
    """
    runs: list[list[datetime]] = []
    for hour in (hour + RESOLUTION for hour in hours):
        if runs and runs[-1][1] == hour and hour - runs[-1][0] < DAY:
            runs[-1][1] = hour + HOUR
        else:
            runs.append([hour, hour + HOUR])
    return runs
