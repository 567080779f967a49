"""Totals of devices and accounts: correct, of the account that asks and of no other."""

from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any

import msgspec
import pytest

from telemetry.core.consumption import Meter, Value
from telemetry.models import MonthlyConsumption
from telemetry.store.aggregates.refresh import refresh_aggregates
from telemetry.store.billing.closing import close_month
from telemetry.store.db.connection import Connection
from telemetry.store.reads.account_totals import (
    AccountTotal,
    Consumer,
    DevicePeriod,
    compare_devices,
    find_top_consumers,
    read_account_days,
    read_account_months,
)
from telemetry.store.reads.chart_series import read_day_series, read_hour_series
from tests.consumption import Site, put, register

pytestmark = pytest.mark.integration

START = datetime(2026, 11, 2, tzinfo=UTC)
DAY = timedelta(days=1)
D = Decimal


def at(hours: float) -> datetime:
    return START + timedelta(hours=hours)


def fill(connection: Connection, site: Site, *found: tuple[float, Any]) -> None:
    """Store readings, a minute after hours after `START`, and refresh."""
    put(connection, [(site, Value(at(hours + 1 / 60), D(value))) for hours, value in found])
    refresh_aggregates(connection)


def set_unit(connection: Connection, unit: str, *sites: Site) -> None:
    connection.execute(
        "UPDATE device SET unit = %s WHERE id = ANY(%s)", [unit, [site.device_id for site in sites]]
    )


def test_it_shows_each_account_its_own_days_when_a_device_moved(connection: Connection) -> None:
    site = register(connection, Meter("delta"))
    fill(connection, site, (0, 1), (1, 2))
    heir = register(connection, Meter("delta"))
    connection.execute(
        "UPDATE gateway SET account_id = %s WHERE id = %s", [heir.account_id, site.gateway_id]
    )
    connection.execute("UPDATE assignment SET since = %s WHERE since IS NOT NULL", [at(24)])
    moved = msgspec.structs.replace(site, account_id=heir.account_id)
    fill(connection, moved, (48, 8))
    hours, days = (
        {"since": at(0), "until": at(72)},
        {"first": START.date(), "until": at(72).date()},
    )
    for owner, start, total in ((site, at(0), D(3)), (moved, at(48), D(8))):
        devices = {"device_ids": [site.device_id]}
        lines = read_hour_series(owner.account_id, **devices, **hours)
        assert lines[site.device_id][0].start == start
        lines = read_day_series(owner.account_id, **devices, **days)
        assert [(day.start, day.total) for day in lines[site.device_id]] == [(start.date(), total)]
        assert [row.total for row in read_account_days(owner.account_id, **days)] == [total]
        found = compare_devices(owner.account_id, device_ids=[site.device_id], **days)
        assert [row.total for row in found] == [total]
        top = find_top_consumers(owner.account_id, unit="", **days)
        assert top == [Consumer(site.device_id, total, D(1))]


def test_it_compares_devices_of_the_account_that_have_readings(connection: Connection) -> None:
    site = register(connection, Meter("delta"))
    gauge, silent = (register(connection, Meter(kind), beside=site) for kind in ("gauge", "delta"))
    foreign = register(connection, Meter("delta"))
    set_unit(connection, "kWh", site)
    fill(connection, site, (0, 10), (23, 20), (24, 60), (72, 900))
    fill(connection, gauge, (0, -5), (1, 7))
    fill(connection, foreign, (0, 1))
    ids = [foreign.device_id, silent.device_id, gauge.device_id, site.device_id, site.device_id]
    period = {"first": START.date(), "until": at(72).date()}
    assert compare_devices(site.account_id, device_ids=ids, **period) == [
        DevicePeriod(site.device_id, "kWh", D(90), D(30), D(10), D(60), 3),
        DevicePeriod(gauge.device_id, "", None, D(1), D(-5), D(7), 2),
    ]
    assert compare_devices(site.account_id, device_ids=[], **period) == []


def test_it_adds_up_an_account_by_unit(connection: Connection) -> None:
    site = register(connection, Meter("delta"), billing_day=3)
    second, gauge, water = (
        register(connection, Meter(kind), beside=site) for kind in ("cumulative", "gauge", "delta")
    )
    set_unit(connection, "kWh", site, second, gauge)
    set_unit(connection, "m3", water)
    fill(connection, second, (0, 100), (1, 107), (25, 108))
    fill(connection, site, (2, 3), (3, 4))
    fill(connection, gauge, (2, 1000))
    fill(connection, water, (26, "0.5"))
    fill(connection, register(connection, Meter("delta")), (0, 5000))
    first = START.date()
    assert read_account_days(site.account_id, first=first, until=first + 2 * DAY) == [
        AccountTotal(first, "kWh", D(14), 2, 4),
        AccountTotal(first + DAY, "kWh", D(1), 1, 1),
        AccountTotal(first + DAY, "m3", D("0.5"), 1, 1),
    ]
    months = {"first": date(2026, 10, 1), "until": date(2026, 11, 4)}
    open_months = [
        AccountTotal(date(2026, 10, 3), "kWh", D(14), 2, 4),
        AccountTotal(date(2026, 11, 3), "kWh", D(1), 1, 1),
        AccountTotal(date(2026, 11, 3), "m3", D("0.5"), 1, 1),
    ]
    assert read_account_months(site.account_id, **months) == open_months
    assert (
        read_account_months(site.account_id, **months | {"until": date(2026, 11, 3)})
        == (open_months[:1])
    )


def test_it_shows_a_closed_month_as_it_was_billed(connection: Connection) -> None:
    site = register(connection, Meter("delta"))
    fill(connection, site, (0, 7))
    month = {"first": date(2026, 11, 1), "until": date(2026, 12, 1)}
    close_month(
        site.account_id, month=month["first"], user_id=None, now=datetime(2026, 12, 5, tzinfo=UTC)
    )
    fill(connection, site, (1, 2))
    connection.execute("UPDATE installation SET unit = 'm³'")
    assert MonthlyConsumption.objects.get(device=site.device_id).total == D(7)
    [of_account] = read_account_months(site.account_id, **month)
    assert (of_account.total, of_account.unit) == (D(7), "")
    lines = read_day_series(site.account_id, device_ids=[site.device_id], **month)
    assert [day.total for day in lines[site.device_id]] == [D(9)]


def test_it_names_the_largest_consumers_and_their_shares(connection: Connection) -> None:
    site = register(connection, Meter("delta"))
    others = [register(connection, Meter("delta"), beside=site) for _ in range(3)]
    set_unit(connection, "kWh", site, *others)
    for consumer, value in zip([site, *others], (10, 50, 10, 30), strict=True):
        fill(connection, consumer, (0, value))
    fill(connection, register(connection, Meter("delta")), (0, 99))
    period = {"first": START.date(), "until": (START + DAY).date()}
    found = find_top_consumers(site.account_id, unit="kWh", most=3, **period)
    assert found == [
        Consumer(others[0].device_id, D(50), D("0.5")),
        Consumer(others[2].device_id, D(30), D("0.3")),
        Consumer(site.device_id, D(10), D("0.1")),
    ]
    assert find_top_consumers(site.account_id, unit="m3", **period) == []
