"""The newest readings are found without a look at the rest, however large the table is."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from telemetry.store.db.connection import Connection
from telemetry.store.reads.lookback import Sql, find_recent_span

pytestmark = pytest.mark.integration

FILL = """
INSERT INTO reading (device_id, time, value, received_at, unit, account_id, gateway_id)
SELECT 1 + n %% 100, now() - n * %s * interval '1 second', n, now(), 'kWh', 1 + n %% 2, 1
FROM generate_series(0, 99999) AS n ORDER BY n DESC
"""


@pytest.fixture
def filled(connection: Connection, environ: dict[str, str]) -> Connection:
    """100,000 readings of 100 devices, one each second, up to now."""
    return fill(connection, step_s=1)


def fill(connection: Connection, *, step_s: float) -> Connection:
    connection.execute(FILL, [step_s])
    connection.execute("ANALYZE reading")
    return connection


def list_scans(plan: dict[str, Any]) -> list[dict[str, Any]]:
    """Every node of a plan that reads a relation."""
    below = [scan for part in plan.get("Plans", ()) for scan in list_scans(part)]
    own = [plan] if "Relation Name" in plan or "Index Name" in plan else []
    return own + below


def explain(connection: Connection, **given: Any) -> list[dict[str, Any]]:
    from django.db import connection as django

    with django.cursor() as cursor:
        cursor.execute(f"EXPLAIN (FORMAT JSON) {Sql.recent_readings}", given)
        [[[plan]]] = cursor.fetchall()
    return list_scans(plan["Plan"])


@pytest.mark.parametrize(
    ("rows", "device_ids", "span"),
    [
        pytest.param(50, None, timedelta(minutes=1), id="of all, a minute is enough"),
        pytest.param(500, None, timedelta(minutes=10), id="of all, ten minutes are needed"),
        pytest.param(30, [7], timedelta(hours=1), id="of one device, an hour"),
        pytest.param(10, [999], timedelta(days=3), id="of one without readings, the longest"),
    ],
)
def test_it_looks_back_no_further_than_it_must(
    filled: Connection, rows: int, device_ids: list[int] | None, span: timedelta
) -> None:
    assert find_recent_span(rows=rows, longest=timedelta(days=3), device_ids=device_ids) == span


@pytest.mark.parametrize(
    ("device_ids", "index"),
    [
        pytest.param(None, "reading_time", id="of all, by the place of the newest"),
        pytest.param([7, 8], "reading_key", id="of devices, by their series"),
    ],
)
def test_it_reads_through_an_index(
    connection: Connection, environ: dict[str, str], device_ids: list[int] | None, index: str
) -> None:
    """All readings are of today: the chunk of a day that has just begun is read whole."""
    midnight = datetime.now(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
    today_s = (datetime.now(UTC) - midnight).total_seconds()
    fill(connection, step_s=today_s / 100_000)
    scans = explain(connection, rows=5_000, span_s=today_s / 1_000, device_ids=device_ids)
    assert scans
    assert not [scan for scan in scans if scan["Node Type"] == "Seq Scan"]
    assert any(str(scan.get("Index Name", "")).endswith(index) for scan in scans)
