"""Differences that a slice of the verification found: classified, repaired."""

import json
from datetime import datetime
from decimal import Decimal
from typing import Any, LiteralString

from msgspec import Struct, field

from telemetry.store.db.connection import Connection
from telemetry.store.db.edition import read_edition
from telemetry.store.db.sql import Queries


class Sql(Queries):
    classify_differences: LiteralString
    list_differences: LiteralString
    mark_dirty: LiteralString
    repair_readings: LiteralString
    delete_extra: LiteralString
    delete_extra_hours: LiteralString


class Difference(Struct, frozen=True):
    """A row that differs from the readings. None: there is no row, or none is expected.

    `key` is a UTC hour, a local day or a month's first day; only columns that differ are given.
    """

    relation: str
    device_id: int
    device: str
    key: str
    actual: dict[str, str | None] | None
    expected: dict[str, str | None] | None


class Differences(Struct):
    """Differences by relation, some in full. `excused`: rows whose status makes them
    none. `forced`: hours of a continuous aggregate to be computed again."""

    by_relation: dict[str, int] = field(default_factory=dict)
    examples: list[Difference] = field(default_factory=list)
    excused: dict[str, int] = field(default_factory=dict)
    forced: list[datetime] = field(default_factory=list)


def classify_differences(connection: Connection, *, limit: int) -> Differences:
    """Separate differences from what waits or is frozen, in the slice's own snapshot."""
    differences = Differences()
    connection.execute(Sql.classify_differences)
    rows: Any = connection.execute(
        "SELECT status, relation, count(*) FROM difference GROUP BY 1, 2"
    ).fetchall()
    for status, relation, count in rows:
        if status == "differs":
            differences.by_relation[relation] = count
        else:
            differences.excused[status] = differences.excused.get(status, 0) + count
    if differences.by_relation:
        examples: Any = connection.execute(Sql.list_differences, {"limit": limit}).fetchall()
        differences.examples = [_as_difference(row) for row in examples]
    return differences


def repair_differences(
    connection: Connection, differences: Differences, *, span: tuple[datetime, datetime]
) -> None:
    """Put readings right, mark the hours of differences as dirty, and delete surplus rows."""
    bounds = {"start": span[0], "end": span[1]}
    if "reading" in differences.by_relation:
        connection.execute(Sql.repair_readings, bounds, prepare=False)
    connection.execute(Sql.mark_dirty, bounds, prepare=False)
    connection.execute(Sql.delete_extra)
    with connection.cursor() as cursor:
        if read_edition(cursor) == "apache":
            cursor.execute(Sql.delete_extra_hours)
            return
    rows: Any = connection.execute(
        "SELECT DISTINCT starts_at FROM difference "
        "WHERE relation = 'hourly_aggregate' AND status = 'differs' ORDER BY 1"
    ).fetchall()
    differences.forced = [hour for (hour,) in rows]


def describe_difference(difference: Difference) -> str:
    """One line."""
    where = (
        f"{difference.relation} {difference.key} {difference.device} "
        f"(device {difference.device_id})"
    )
    if difference.actual is None:
        return f"{where}: missing; expected {_list(difference.expected)}"
    if difference.expected is None:
        return f"{where}: surplus; actual {_list(difference.actual)}"
    return f"{where}: actual {_list(difference.actual)}; expected {_list(difference.expected)}"


def _list(row: dict[str, str | None] | None) -> str:
    return ", ".join(
        f"{name} {'null' if value is None else value}" for name, value in (row or {}).items()
    )


def _as_difference(row: tuple[Any, ...]) -> Difference:
    relation, device_id, device, key, actual_text, expected_text = row
    actual, expected = _decode(actual_text), _decode(expected_text)
    if actual is not None and expected is not None:
        same = {name for name, value in actual.items() if expected.get(name, value) == value}
        actual, expected = (
            {name: value for name, value in values.items() if name not in same}
            for values in (actual, expected)
        )
    return Difference(relation, device_id, device, key, _as_texts(actual), _as_texts(expected))


def _decode(row: str | None) -> dict[str, Any] | None:
    return None if row is None else json.loads(row, parse_float=Decimal, parse_int=Decimal)


def _as_texts(row: dict[str, Any] | None) -> dict[str, str | None] | None:
    if row is None:
        return None
    return {name: None if value is None else str(value) for name, value in row.items()}
