"""Late readings whose neighbours were dropped change nothing that was aggregated, and are seen."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import msgspec
import psycopg
import pytest

from telemetry.core.consumption import Meter, Value
from telemetry.models import FrozenHour
from telemetry.store.aggregates.refresh import refresh_aggregates
from telemetry.store.db.connection import Connection
from tests.consumption import Replacement, Site, put, read, register, replace_register, set_meter

pytestmark = pytest.mark.integration

HORIZON = datetime(2026, 11, 3, tzinfo=UTC)
HOUR = timedelta(hours=1)
TABLES = ("hourly_aggregate", "hourly_consumption", "daily_aggregate", "monthly_total")


def at(hours: float, value: Any) -> Value:
    return Value(HORIZON + hours * HOUR, Decimal(str(value)))


def drop(connection: Connection) -> None:
    """What retention does: note the horizon, then drop the chunks before it."""
    connection.execute("UPDATE raw_horizon SET dropped_before = %s", [HORIZON])
    if not read(connection, "SELECT 1 FROM raw_horizon"):
        connection.execute("INSERT INTO raw_horizon (dropped_before) VALUES (%s)", [HORIZON])
    connection.execute("SELECT drop_chunks('reading', %s::timestamptz)", [HORIZON])


def snapshot(connection: Connection) -> dict[str, Any]:
    return {name: read(connection, f"SELECT * FROM {name} ORDER BY 1, 2") for name in TABLES}


def fill(connection: Connection, zone: str = "UTC") -> list[Site]:
    """A delta device and a register, with readings before and after the horizon, refreshed."""
    sites = [register(connection, Meter("delta"), zone=zone)]
    sites.append(register(connection, Meter("cumulative"), beside=sites[0]))
    values = [at(hours, 100 + hours) for hours in (-30, -29.5, -2, 5, 6.5, 30)]
    put(connection, [(site, value) for site in sites for value in values])
    refresh_aggregates(connection)
    return sites


def test_it_refuses_what_comes_late_for_dropped_readings_and_says_so(
    connection: Connection,
) -> None:
    sites = fill(connection)
    drop(connection)
    before = snapshot(connection)
    put(connection, [(site, at(-2.25, 101)) for site in sites])
    done = refresh_aggregates(connection)
    assert (done.dirty, done.hours, done.frozen) == (1, 0, 2)
    assert snapshot(connection) == before
    hour = HORIZON - 3 * HOUR
    assert list(FrozenHour.objects.order_by("device").values_list("device_id", "hour")) == [
        (site.device_id, hour) for site in sites
    ]
    assert read(connection, "SELECT count(*) FROM dirty_hour") == [(0,)]
    put(connection, [(sites[0], at(-2.125, 5))])
    assert refresh_aggregates(connection).frozen == 1
    assert FrozenHour.objects.count() == 2


def test_it_counts_on_from_a_register_whose_last_reading_was_dropped(
    connection: Connection,
) -> None:
    _, site = fill(connection)
    drop(connection)
    total = "SELECT total FROM monthly_total WHERE device_id = %s"
    assert read(connection, total, site.device_id) == [(60,)]
    put(connection, [(site, at(1, 100)), (site, at(40, 140))])
    refresh_aggregates(connection)
    assert read(connection, total, site.device_id) == [(70,)]
    replace_register(connection, site, Replacement(HORIZON + HOUR / 2, Decimal(200), Decimal(99)))
    refresh_aggregates(connection)
    assert read(connection, total, site.device_id) == [(70 + 101,)]


def test_it_leaves_old_hours_alone_when_the_device_is_told_to_measure_otherwise(
    connection: Connection,
) -> None:
    site, _ = fill(connection)
    drop(connection)
    old = "SELECT * FROM daily_aggregate WHERE day < '2026-11-03' ORDER BY device_id, day"
    before = read(connection, old)
    set_meter(connection, site, msgspec.structs.replace(site.meter, interval_s=60))
    done = refresh_aggregates(connection)
    assert (done.hours, done.frozen) == (3, 0)
    assert read(connection, old) == before


def test_it_refuses_a_day_of_half_hours_that_the_horizon_cuts(connection: Connection) -> None:
    sites = fill(connection, "Asia/Kolkata")
    drop(connection)
    before = snapshot(connection)
    # 05:00 UTC lies in the local day that began at 18:30 UTC the day before.
    put(connection, [(site, at(5.5, 120)) for site in sites])
    assert refresh_aggregates(connection).frozen == 2
    assert snapshot(connection) == before
    put(connection, [(site, at(19.75, 120)) for site in sites])
    done = refresh_aggregates(connection)
    assert (done.frozen, done.hours) == (0, 2)


def test_it_keeps_what_cannot_be_cut_again_when_the_calendar_changes(
    connection: Connection,
) -> None:
    fill(connection)
    drop(connection)
    totals = "SELECT device_id, sum(total) FROM {} GROUP BY 1 ORDER BY 1"
    before = read(connection, totals.format("daily_aggregate"))
    with pytest.raises(psycopg.errors.CheckViolation, match="whole hours, Asia/Kolkata is none"):
        connection.execute("UPDATE account SET time_zone = 'Asia/Kolkata'")
    connection.execute("UPDATE account SET time_zone = 'America/Sao_Paulo', billing_day = 4")
    refresh_aggregates(connection)
    for table in ("daily_aggregate", "monthly_total"):
        assert read(connection, totals.format(table)) == before
