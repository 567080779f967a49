"""Hourly aggregates: the numbers of the raw readings, in the edition at hand."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest

from telemetry.core.batch import RawMessage
from telemetry.store.aggregates.refresh import RefreshBusyError, refresh_aggregates
from telemetry.store.db.connection import Connection, open_connection
from telemetry.store.db.edition import TimescaleMissingError, ensure_extension, read_edition
from telemetry.store.db.locks import Lock, unlock, wait_for_lock
from tests.integration.store.ingest import store
from tests.messages import make_message

pytestmark = pytest.mark.integration

START = datetime(2026, 11, 1, tzinfo=UTC)

RAW = """
SELECT device_id, date_trunc('hour', time - interval '1 microsecond', 'UTC') AS hour, account_id,
       sum(value),
       round(avg(value), 4), min(value), max(value), (array_agg(value ORDER BY time))[1],
       (array_agg(value ORDER BY time DESC))[1], count(*)
FROM reading GROUP BY 1, 2, 3 ORDER BY 1, 2
"""
AGGREGATED = """
SELECT device_id, hour, account_id, total, round(mean, 4), minimum, maximum, first, last,
       readings_count
FROM hourly_aggregate ORDER BY 1, 2
"""


def fetch(connection: Connection, statement: str) -> list[Any]:
    return connection.execute(statement).fetchall()  # type: ignore[arg-type]


def make_series(*, minutes: range, code: str = "D01") -> list[RawMessage]:
    return [
        make_message(
            code=code,
            valor=f"{minute}.{minute % 10_000:04d}",
            at=(START + timedelta(minutes=minute)).isoformat(),
        )
        for minute in minutes
    ]


def test_it_equals_the_raw_readings_also_when_some_come_late(
    connection: Connection, fleet: None
) -> None:
    with connection.cursor() as cursor:
        print("edition:", read_edition(cursor))  # noqa: T201 - a figure names its edition
    assert refresh_aggregates(connection).hours == 0
    store(connection, *make_series(minutes=range(61, 420, 7)))
    assert refresh_aggregates(connection).hours == 6
    assert fetch(connection, AGGREGATED) == fetch(connection, RAW)
    store(connection, *make_series(minutes=range(5, 100, 30)))
    assert refresh_aggregates(connection).hours == 2
    assert fetch(connection, AGGREGATED) == fetch(connection, RAW)
    assert refresh_aggregates(connection).dirty == 0


def test_it_keeps_decimals_exact(connection: Connection, fleet: None) -> None:
    store(
        connection,
        make_message(valor="0.1", at="2026-11-01T00:00:00Z"),
        make_message(valor="0.2", at="2026-10-31T23:59:00Z"),
    )
    refresh_aggregates(connection)
    assert fetch(connection, "SELECT total FROM hourly_aggregate") == [(Decimal("0.3000"),)]


def test_it_leaves_the_field_when_another_refresh_is_under_way(
    connection: Connection, database_url: str, fleet: None
) -> None:
    store(connection, *make_series(minutes=range(1, 4)))
    with open_connection(database_url, name="other", statement_timeout_s=10) as other:
        assert wait_for_lock(other, Lock.REFRESH)
        with pytest.raises(RefreshBusyError):
            refresh_aggregates(connection)
        # A session that was closed lives on for a moment on the server, with its locks.
        unlock(other, Lock.REFRESH)
    assert refresh_aggregates(connection).hours == 1


def test_it_says_in_one_line_what_to_install_when_the_extension_is_missing() -> None:
    class PlainServer:
        """A server that has no such extension to offer."""

        def execute(self, _statement: str) -> None: ...

        def fetchone(self) -> tuple[int]:
            return (0,)

    with pytest.raises(TimescaleMissingError) as caught:
        ensure_extension(PlainServer())
    assert "postgresql-17-timescaledb" in str(caught.value)
    assert "\n" not in str(caught.value)
