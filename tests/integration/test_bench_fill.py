"""The rows that `bench scale` lets stand are as many as it says, and none is of the future."""

import pytest

from telemetry.store.db.connection import Connection
from tests.bench.scale import DAYS, FIRST_DEVICE, fill_readings

pytestmark = pytest.mark.integration


def test_it_fills_the_table_with_rows_of_thirty_days(
    connection: Connection, database_url: str
) -> None:
    fill_readings(database_url, rows=DAYS * 4_000)
    [(rows, keys, days, devices, is_past)] = connection.execute(
        "SELECT count(*), count(DISTINCT (device_id, time)), count(DISTINCT time::date), "
        "min(device_id), max(time) < now() FROM reading"
    ).fetchall()
    assert (rows, keys, days) == (DAYS * 4_000, DAYS * 4_000, DAYS)
    assert devices == FIRST_DEVICE
    assert is_past
