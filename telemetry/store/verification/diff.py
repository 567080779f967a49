"""Differences that a slice of the verification holds in its temporary table: judged, repaired."""

import json
from datetime import datetime
from decimal import Decimal
from typing import Any, LiteralString

from msgspec import Struct, field

from telemetry.store.db.connection import Connection
from telemetry.store.db.edition import read_edition
from telemetry.store.db.sql import Queries


class Sql(Queries):
    judge_differences: LiteralString
    list_differences: LiteralString
    note_differences: LiteralString
    delete_extra: LiteralString
    delete_extra_hours: LiteralString


class Difference(Struct, frozen=True):
    """A row that is not as the readings say. None: there is no row, or should be none.

    `place` is a UTC hour, a local day or a month's first day; only columns that differ are given.
    """

    relation: str
    device_id: int
    device: str
    place: str
    stands: dict[str, str | None] | None
    expected: dict[str, str | None] | None


class Judged(Struct):
    """Differences by relation, some in full, and by verdict what is none. `forced`: hours of a
    continuous aggregate to be made anew."""

    by_relation: dict[str, int] = field(default_factory=dict)
    examples: list[Difference] = field(default_factory=list)
    excused: dict[str, int] = field(default_factory=dict)
    forced: list[datetime] = field(default_factory=list)


def judge_differences(connection: Connection, *, limit: int) -> Judged:
    """Tell differences from what waits or cannot be known, in the slice's own snapshot."""
    judged = Judged()
    connection.execute(Sql.judge_differences)
    rows: Any = connection.execute(
        "SELECT verdict, relation, count(*) FROM difference GROUP BY 1, 2"
    ).fetchall()
    for verdict, relation, count in rows:
        if verdict == "differs":
            judged.by_relation[relation] = count
        else:
            judged.excused[verdict] = judged.excused.get(verdict, 0) + count
    if judged.by_relation:
        told: Any = connection.execute(Sql.list_differences, {"limit": limit}).fetchall()
        judged.examples = [_as_difference(row) for row in told]
    return judged


def repair_differences(
    connection: Connection, judged: Judged, *, span: tuple[datetime, datetime]
) -> None:
    """Note the hours of what differs for the refresh, and delete rows that are too many."""
    bounds = {"start": span[0], "end": span[1]}
    connection.execute(Sql.note_differences, bounds, prepare=False)
    connection.execute(Sql.delete_extra)
    with connection.cursor() as cursor:
        if read_edition(cursor) == "apache":
            cursor.execute(Sql.delete_extra_hours)
            return
    rows: Any = connection.execute(
        "SELECT DISTINCT starts_at FROM difference "
        "WHERE relation = 'hourly_aggregate' AND verdict = 'differs' ORDER BY 1"
    ).fetchall()
    judged.forced = [hour for (hour,) in rows]


def describe_difference(difference: Difference) -> str:
    """One line."""
    where = (
        f"{difference.relation} {difference.place} {difference.device} "
        f"(device {difference.device_id})"
    )
    if difference.stands is None:
        return f"{where}: missing; should be {_list(difference.expected)}"
    if difference.expected is None:
        return f"{where}: too many; stands {_list(difference.stands)}"
    return f"{where}: stands {_list(difference.stands)}; should be {_list(difference.expected)}"


def _list(row: dict[str, str | None] | None) -> str:
    return ", ".join(
        f"{name} {'null' if value is None else value}" for name, value in (row or {}).items()
    )


def _as_difference(row: tuple[Any, ...]) -> Difference:
    relation, device_id, device, place, stands_text, expected_text = row
    stands, expected = _decode(stands_text), _decode(expected_text)
    if stands is not None and expected is not None:
        same = {name for name, value in stands.items() if expected.get(name, value) == value}
        stands, expected = (
            {name: value for name, value in found.items() if name not in same}
            for found in (stands, expected)
        )
    return Difference(relation, device_id, device, place, _as_texts(stands), _as_texts(expected))


def _decode(row: str | None) -> dict[str, Any] | None:
    return None if row is None else json.loads(row, parse_float=Decimal, parse_int=Decimal)


def _as_texts(row: dict[str, Any] | None) -> dict[str, str | None] | None:
    if row is None:
        return None
    return {name: None if value is None else str(value) for name, value in row.items()}
