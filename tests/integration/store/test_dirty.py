"""Which dirty rows a step takes, and at what cost."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from telemetry.store.aggregates.dirty import Sql, list_dirty
from telemetry.store.db.connection import Connection

pytestmark = pytest.mark.integration

START = datetime(2026, 9, 1, tzinfo=UTC)
INSERT = "INSERT INTO dirty_hour (hour, device_ids) VALUES (%s, %s) RETURNING id"


def insert(connection: Connection, *, hour: int, devices: int = 1) -> int:
    row: Any = connection.execute(
        INSERT, [START + timedelta(hours=hour), list(range(devices))]
    ).fetchone()
    return int(row[0])


@pytest.mark.parametrize(
    ("rows", "device_hours", "taken", "is_more"),
    [
        pytest.param(10, 100, 5, False, id="all"),
        pytest.param(4, 100, 4, True, id="up to the hour in which the rows come to the limit"),
        pytest.param(2, 100, 4, True, id="all rows of that hour"),
        pytest.param(10, 5, 4, True, id="up to the hour in which its devices come to the limit"),
        pytest.param(1, 100, 1, True, id="the oldest first"),
    ],
)
def test_it_takes_whole_hours_the_oldest_first(
    connection: Connection, rows: int, device_hours: int, taken: int, is_more: bool
) -> None:
    newest = insert(connection, hour=2)
    ids = [insert(connection, hour=0), *(insert(connection, hour=1, devices=4) for _ in range(3))]
    found, more = list_dirty(connection, rows=rows, device_hours=device_hours)
    assert (sorted(found), more) == (sorted([*ids, newest][:taken]), is_more)


def test_it_takes_none_where_none_is_dirty(connection: Connection) -> None:
    assert list_dirty(connection, rows=10, device_hours=10) == ([], False)


def test_it_asks_once_how_far_to_go_though_the_planner_knows_of_no_row(
    connection: Connection,
) -> None:
    """The table is empty most of the time, and that is what the planner was told of it when an
    import comes: 5,000 rows took half a minute when each row asked again how far to go."""
    insert(connection, hour=0)
    connection.execute("DELETE FROM dirty_hour")
    connection.execute("ANALYZE dirty_hour")
    for hour in range(100):
        insert(connection, hour=hour)
    explained: Any = connection.execute(
        f"EXPLAIN (ANALYZE, FORMAT JSON) {Sql.list_dirty}", {"rows": 100, "device_hours": 1_000}
    ).fetchone()
    assert list_loops(explained[0][0]["Plan"]) == {1}


def list_loops(plan: dict[str, Any]) -> set[int]:
    """How often the nodes of a plan ran."""
    return {plan["Actual Loops"]}.union(*(list_loops(part) for part in plan.get("Plans", ())))
