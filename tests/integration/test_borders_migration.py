"""A database in which readings at a border counted for what begins there, brought up to date."""

from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any
from urllib.parse import urlsplit

import pytest
from django.db import connections
from django.db.migrations.executor import MigrationExecutor

from telemetry.core.consumption import Meter, Value
from telemetry.store.aggregates.refresh import refresh_aggregates
from telemetry.store.db.connection import Connection, open_connection
from telemetry.store.db.edition import read_edition
from telemetry.store.verification.verify import verify_aggregates
from tests.consumption import (
    FIGURES,
    Replacement,
    Site,
    expect_figures,
    insert_readings,
    read,
    read_figures,
    register,
)

pytestmark = [pytest.mark.integration, pytest.mark.usefixtures("as_owner")]

START = datetime(2026, 8, 1, tzinfo=UTC)
DAY = timedelta(days=1)
AUGUST, OCTOBER = date(2026, 8, 1), date(2026, 10, 1)

HOURS = """
INSERT INTO hourly_aggregate (device_id, hour, account_id, total, mean, minimum, maximum, first,
    last, readings_count)
SELECT device_id, date_trunc('hour', time, 'UTC'), min(account_id), sum(value), avg(value),
    min(value), max(value), first(value, time), last(value, time), count(*)
FROM reading GROUP BY 1, 2
"""
REGISTERS = """
INSERT INTO hourly_consumption (device_id, hour, account_id, consumption, within, first, first_at,
    last, last_at)
SELECT device_id, date_trunc('hour', time, 'UTC'), min(reading.account_id), 1, 1,
    first(value, time), min(time), last(value, time), max(time)
FROM reading JOIN device d ON d.id = device_id AND d.measurement = 'cumulative' GROUP BY 1, 2
"""
DATED = """
INSERT INTO {table} (device_id, {key}, account_id, total, reading_sum, minimum, maximum, {ends},
    readings_count, intervals_seen)
SELECT device_id, date_trunc('{key}', time, 'UTC')::date, min(account_id), sum(value), sum(value),
    min(value), max(value), first(value, time), last(value, time), count(*), 1
FROM reading GROUP BY 1, 2
"""


@pytest.fixture
def before(connection: Connection, database_url: str) -> Iterator[Connection]:
    """A database of the migration before this one."""
    name = "of_before"
    connection.execute(f"DROP DATABASE IF EXISTS {name} WITH (FORCE)")
    connection.execute(f"CREATE DATABASE {name}")
    other = connections["default"].copy(alias=name)
    other.settings_dict["NAME"] = name
    connections.databases[name] = other.settings_dict
    connections[name] = other
    executor = MigrationExecutor(other)
    leaves = [leaf for leaf in executor.loader.graph.leaf_nodes() if leaf[0] != "telemetry"]
    executor.migrate([*leaves, ("telemetry", "0004_names")])
    url = urlsplit(database_url)._replace(path=f"/{name}").geturl()
    with open_connection(url, name="test", statement_timeout_s=60) as opened:
        yield opened
    other.close()
    del connections[name], connections.databases[name]
    connection.execute(f"DROP DATABASE {name} WITH (FORCE)")


def fill(before: Connection, arrivals: list[tuple[Site, Value]]) -> None:
    """Readings with aggregates by the rule of before; what registers counted is left at 1."""
    insert_readings(before, arrivals)
    with before.cursor() as cursor:
        is_community = read_edition(cursor) == "community"
    if is_community:
        before.execute("CALL refresh_continuous_aggregate('hourly_aggregate', NULL, NULL)")
    else:
        before.execute(HOURS)
    before.execute(REGISTERS)
    for table, key, ends in (
        ("daily_aggregate", "day", "first, last"),
        ("monthly_total", "month", "first_register, last_register"),
    ):
        before.execute(DATED.format(table=table, key=key, ends=ends))  # type: ignore[arg-type]


def migrate() -> None:
    executor = MigrationExecutor(connections["of_before"])
    executor.migrate(executor.loader.graph.leaf_nodes())


def make_site(
    before: Connection, meter: Meter, instants: list[datetime]
) -> tuple[Site, list[Value]]:
    site = register(before, meter, is_spread=None)
    return site, [Value(at, Decimal(number)) for number, at in enumerate(instants, 1)]


@pytest.mark.django_db(transaction=True)
def test_it_computes_everything_again_and_closed_months_get_lines(before: Connection) -> None:
    # Around the borders of months, until 1 October 00:00, alone there; what lies between is no gap.
    daily = [START + number * DAY for number in (0, 1, 2, 3, 4, 30, 31, 32, 60, 61)]
    quarters = [START + timedelta(minutes=15 * number) for number in range(3 * 96)]
    sites = [
        make_site(before, Meter("delta", interval_s=14 * 86_400), daily),
        make_site(before, Meter("cumulative", interval_s=14 * 86_400), daily),
        make_site(before, Meter("gauge"), quarters),
        make_site(before, Meter("delta", interval_s=900), quarters),
    ]
    fill(before, [(site, value) for site, values in sites for value in values])
    delta = sites[0][0]
    for month in (AUGUST, OCTOBER):
        before.execute(
            "INSERT INTO closed_month (account_id, month) VALUES (%s, %s)",
            [delta.account_id, month],
        )
        before.execute(
            "UPDATE monthly_total SET closed_total = total WHERE account_id = %s AND month = %s",
            [delta.account_id, month],
        )
    # A reading at a border that waited for the refresh.
    waiting = Value(START + 3 * DAY + timedelta(hours=5), Decimal(5))
    insert_readings(before, [(sites[1][0], waiting)])
    before.execute(
        "INSERT INTO dirty_hour (hour, device_ids) VALUES (%s, %s)",
        [waiting.at, [sites[1][0].device_id]],
    )
    # A meter that was replaced, which is an installation afterwards.
    replaced = Replacement(START + 10.5 * DAY, Decimal("11.5"), Decimal(11))
    before.execute(
        "INSERT INTO meter_replacement (device_id, at, old_value, new_value)"
        " VALUES (%s, %s, %s, %s)",
        [sites[1][0].device_id, replaced.at, replaced.old_value, replaced.new_value],
    )
    migrate()
    refresh_aggregates(before)
    for site, values in sites[1:]:
        is_replaced = site is sites[1][0]
        found = [*values, waiting] if is_replaced else values
        changes = [replaced] if is_replaced else []
        assert read_figures(before, site) == expect_figures(site, found, changes), site
    assert verify_aggregates(before).examples == []
    months = "SELECT month, closed_total, total FROM monthly_total WHERE device_id = %s ORDER BY 1"
    billed: dict[date, Any] = {row[0]: row[1:] for row in read(before, months, delta.device_id)}
    # 1 August is July's, 1 September August's, 1 October September's.
    assert billed == {
        date(2026, 7, 1): (None, 1),
        AUGUST: (sum(range(1, 7)), sum(range(2, 8))),
        date(2026, 9, 1): (None, sum(range(8, 11))),
        OCTOBER: (10, 0),
    }
    lines = "SELECT month, difference FROM month_adjustment WHERE device_id = %s ORDER BY 1"
    assert read(before, lines, delta.device_id) == [(AUGUST, 6), (OCTOBER, -10)]


@pytest.mark.django_db(transaction=True)
def test_it_leaves_what_lies_before_the_horizon(before: Connection) -> None:
    quarters = [START + timedelta(minutes=15 * number) for number in range(12 * 96)]
    site, values = make_site(before, Meter("delta"), quarters)
    fill(before, [(site, value) for value in values])
    horizon = START + 8 * DAY
    before.execute("UPDATE raw_horizon SET dropped_before = %s", [horizon])
    before.execute("SELECT drop_chunks('reading', %s::timestamptz)", [START + 4 * DAY])
    old = read(before, FIGURES["hours"], site.device_id)
    migrate()
    refresh_aggregates(before)
    assert read(before, "SELECT count(*) FROM frozen_hour") == [(0,)]
    new = read_figures(before, site)
    last = horizon - timedelta(hours=1)
    kept = {row[0]: tuple(row[1:]) for row in old if row[0] < last}
    assert kept.items() <= new["hours"].items()
    assert verify_aggregates(before).examples == []
    total = sum(value.value for value in values)
    # Nothing is lost where the two rules meet.
    assert read(before, "SELECT sum(total) FROM hourly_aggregate") == [(total,)]
    assert read(before, "SELECT sum(total) FROM daily_aggregate") == [(total,)]
    assert read(before, "SELECT sum(total) FROM monthly_total") == [(total,)]
