"""Compare Python's time zone data with the database's: pages use the one, aggregates the
other, and both change several times a year."""

from bisect import bisect
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import Any, LiteralString
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import psycopg
from msgspec import Struct

from telemetry.store.db.connection import Connection
from telemetry.store.db.sql import Queries


class Sql(Queries):
    zone_offset_differs: LiteralString


PAST = timedelta(days=3_653)
COMING = timedelta(days=1_827)
DAY_S = 86_400
MINUTE_S = 60
WHAT_TO_DO = (
    "bring the older data up to date (the database server's package tzdata, or tzdata in "
    "requirements and an installation), restart both, and run manage.py verify_aggregates "
    "--repair"
)


class ZoneDifference(Struct, frozen=True):
    """The first instant at which the offsets of a zone differ, in seconds east of UTC. None: one of
    the two does not know the zone."""

    zone: str
    at: datetime | None = None
    python_s: int | None = None
    database_s: int | None = None

    def __str__(self) -> str:
        if self.at is None:
            return f"{self.zone} is unknown to Python or to the database"
        return (
            f"{self.zone} from {self.at:%Y-%m-%d %H:%M} UTC on: {_show(self.python_s)} by Python, "
            f"{_show(self.database_s)} by the database"
        )


def compare_zones(connection: Connection, *, now: datetime) -> list[ZoneDifference]:
    """Compare the zones of all accounts, ten years back and five ahead. Raises `psycopg.Error`."""
    rows: Any = connection.execute(
        "SELECT DISTINCT time_zone FROM account ORDER BY time_zone"
    ).fetchall()
    since, until = int((now - PAST).timestamp()), int((now + COMING).timestamp())
    differences = (_compare(connection, name, since=since, until=until) for (name,) in rows)
    return [difference for difference in differences if difference is not None]


def _compare(connection: Connection, name: str, *, since: int, until: int) -> ZoneDifference | None:
    try:
        zone = ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):  # a name like "../x", or of a folder
        return ZoneDifference(name)
    try:
        days = range(since - since % DAY_S, until, DAY_S)
        first = _find_first(connection, zone, [*days, *_list_changes(zone, days)])
        if first is None:
            return None
        # Which minute of the day before.
        minutes = range(max(days[0], first[0] - DAY_S), first[0] + 1, MINUTE_S)
        at, database_s = _find_first(connection, zone, list(minutes)) or first
    except psycopg.errors.InvalidParameterValue:
        return ZoneDifference(name)
    return ZoneDifference(name, datetime.fromtimestamp(at, UTC), _offset_s(zone, at), database_s)


def _list_changes(zone: ZoneInfo, days: range) -> list[int]:
    """The second before and the second of each change of the offset, as Python knows it."""
    changes = []
    for low, high in pairwise(days):
        before = _offset_s(zone, low)
        if _offset_s(zone, high) == before:
            continue
        position = bisect(range(low, high), 0, key=lambda at: int(_offset_s(zone, at) != before))
        changes += [low + position - 1, low + position]
    return changes


def _find_first(
    connection: Connection, zone: ZoneInfo, instants: list[int]
) -> tuple[int, int] | None:
    """The first instant at which the offsets differ, with the database's."""
    parameters = {
        "zone": zone.key,
        "instants": instants,
        "offsets": [_offset_s(zone, at) for at in instants],
    }
    row: Any = connection.execute(Sql.zone_offset_differs, parameters).fetchone()
    return row and (row[0], row[1])


def _offset_s(zone: ZoneInfo, at: int) -> int:
    offset = datetime.fromtimestamp(at, zone).utcoffset()
    return int(offset.total_seconds()) if offset is not None else 0


def _show(offset_s: int | None) -> str:
    minutes = (offset_s or 0) // 60
    return f"{'-' if minutes < 0 else '+'}{abs(minutes) // 60:02}:{abs(minutes) % 60:02}"
