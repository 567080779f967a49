"""Rows that are packed here arrive as they were meant, at every limit."""

from datetime import UTC, datetime
from decimal import Decimal

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from telemetry.core.reading import ReadingRow, to_decimal, to_instant, to_microseconds
from telemetry.store.db.connection import Connection
from telemetry.store.ingest.binary_copy import COLUMNS, pack_rows

pytestmark = pytest.mark.integration

RECEIVED_AT = datetime(2026, 11, 2, 12, 0, 0, 123_456, tzinfo=UTC)
FIRST_US = to_microseconds(datetime(1990, 1, 1, tzinfo=UTC))
LAST_US = to_microseconds(datetime(2200, 1, 1, tzinfo=UTC))
LARGEST = 10**15 - 1

texts = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=10)
row_lists = st.lists(
    st.tuples(
        st.integers(1, 2**63 - 1),
        st.integers(FIRST_US, LAST_US),
        st.integers(-LARGEST, LARGEST) | st.integers(-20_000, 20_000),
        texts,
        st.none() | st.just('{"rssi": -70}'),
        st.integers(1, 2**63 - 1),
        st.integers(1, 2**63 - 1),
    ),
    max_size=5,
)


def row(value: int) -> ReadingRow:
    return (1, FIRST_US, value, "kWh", None, 2, 3)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(row_lists)
@example([row(value) for value in (0, 1, -1, 9_999, 10_000, 99_999_999, 100_000_000)])
@example([row(value) for value in (LARGEST, -LARGEST, 10**12, 10**12 - 1, 10**8 + 1)])
def test_it_packs_rows_that_the_server_reads_as_they_were(
    connection: Connection, rows: list[ReadingRow]
) -> None:
    connection.execute("CREATE TEMPORARY TABLE IF NOT EXISTS packed (LIKE reading)")
    connection.execute("TRUNCATE packed")
    content = pack_rows(rows, received_us=to_microseconds(RECEIVED_AT))
    statement = f"COPY packed ({COLUMNS}) FROM STDIN (FORMAT BINARY)"
    with connection.cursor() as cursor, cursor.copy(statement) as copy:
        copy.write(content)
    found = connection.execute(
        "SELECT device_id, time, value, received_at, unit, account_id, gateway_id, raw::text "
        "FROM packed ORDER BY ctid"
    ).fetchall()
    assert found == [
        (device, to_instant(time_us), to_decimal(value), RECEIVED_AT, unit, account, gateway, raw)
        for device, time_us, value, unit, raw, account, gateway in rows
    ]


def test_it_stores_no_more_bytes_than_the_server_would(connection: Connection) -> None:
    connection.execute("CREATE TEMPORARY TABLE packed_small (LIKE reading)")
    with (
        connection.cursor() as cursor,
        cursor.copy(f"COPY packed_small ({COLUMNS}) FROM STDIN (FORMAT BINARY)") as copy,
    ):
        copy.write(pack_rows([row(1_234_500)], received_us=FIRST_US))
    sizes = connection.execute(
        "SELECT pg_column_size(value), pg_column_size(%s::numeric(15, 4)) FROM packed_small",
        [Decimal("123.4500")],
    ).fetchone()
    assert sizes is not None
    assert sizes[0] <= sizes[1]  # type: ignore[operator]
