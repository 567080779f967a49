"""The rows that `bench scale` lets stand are as many as it says, and none is of the future."""

from datetime import datetime

import pytest

from telemetry.store.db.connection import Connection
from tests.bench.scale import DAYS, DEVICES, FIRST_DEVICE, Filled, fill_readings, read_register

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


def test_its_registers_show_what_late_readings_go_between(
    connection: Connection, database_url: str
) -> None:
    fill_readings(database_url, rows=DAYS * DEVICES, into=Filled(registers=range(10, 20)))
    found: list[tuple[int, datetime, float]] = connection.execute(
        "SELECT device_id, time, value::float FROM reading WHERE device_id BETWEEN %s AND %s",
        [FIRST_DEVICE + 10, FIRST_DEVICE + 20],
    ).fetchall()
    registers = [row for row in found if row[0] < FIRST_DEVICE + 20]
    assert len(registers) == 10 * DAYS
    for _, time, value in registers:
        assert value == pytest.approx(read_register(time), abs=0.0002)
    assert max(value for device, _, value in found if device == FIRST_DEVICE + 20) <= 10_000
