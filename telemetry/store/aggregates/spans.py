"""Spans: the parts of UTC days that a statement over `reading` is for.

Such statements name their span as constants and are planned each time: a plan kept for all days
would open every chunk. The last hour of a day is a span of its own: its last instant lies in the
chunk of the next day.
"""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any, LiteralString

from telemetry.core.measurement import MEASUREMENTS
from telemetry.store.aggregates.throttle import Throttle
from telemetry.store.db.connection import Connection

HOUR = timedelta(hours=1)
DAY = timedelta(days=1)


Bounds = tuple[datetime, datetime]
"""[start, end): the starts of the span's hours."""


def list_spans(
    connection: Connection,
    *,
    measurements: Sequence[str] = tuple(MEASUREMENTS),
    is_scaled: bool = False,
    is_continued: bool = False,
) -> list[Bounds]:
    """The spans of UTC days that affected hours lie in: all but the last hour of a day, or that.

    `is_scaled`: of those with a factor alone; `is_continued`: of those that go on alone, otherwise
    of the others.
    """
    rows: Any = connection.execute(
        "SELECT DISTINCT day, hour - day = interval '23 hours' AS is_last "
        "FROM affected_hour, date_trunc('day', hour, 'UTC') AS day "
        "WHERE measurement = ANY(%s) AND (NOT %s OR factor <> 1) "
        "AND (known_until IS NOT NULL) = %s ORDER BY 1, 2",
        [list(measurements), is_scaled, is_continued],
    ).fetchall()
    return [
        (day + 23 * HOUR, day + DAY) if is_last else (day, day + 23 * HOUR) for day, is_last in rows
    ]


def compute_span(
    connection: Connection,
    statement: LiteralString,
    start: datetime,
    end: datetime,
    *,
    throttle: Throttle | None,
    is_continued: bool = False,
) -> None:
    """Run the statement for a span at once, but for the current hour in pieces: of the devices
    whose hour goes on (`is_continued`), or of the others."""
    if throttle is None or not start <= throttle.hour < end:
        compute(connection, statement, start=start, end=end)
        return
    if start < throttle.hour:
        compute(connection, statement, start=start, end=throttle.hour)
    after = throttle.hour + HOUR
    if after < end:
        compute(connection, statement, start=after, end=end)
    rows: Any = connection.execute(
        "SELECT device_id FROM affected_hour WHERE hour = %s AND (known_until IS NOT NULL) = %s "
        "ORDER BY device_id",
        [throttle.hour, is_continued],
    ).fetchall()
    for piece in throttle.split([device_id for (device_id,) in rows]):
        compute(connection, statement, start=throttle.hour, end=after, devices=piece)


def compute(
    connection: Connection,
    statement: LiteralString,
    *,
    start: datetime,
    end: datetime,
    devices: list[int] | None = None,
) -> None:
    """Run the statement for a span, or for some devices of it."""
    bounds = {"start": start, "end": end, "devices": devices}
    connection.execute(statement, bounds, prepare=False)
