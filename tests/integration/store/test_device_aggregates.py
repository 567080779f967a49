"""What pages and reports read: right figures, of the account that asks and of no other."""

from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any

import msgspec
import pytest

from telemetry.core.consumption import Meter, Value
from telemetry.store.aggregates.refresh import refresh_aggregates
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
from telemetry.store.reads.device_aggregates import (
    Gap,
    Point,
    find_gaps,
    find_silences,
    read_days,
    read_hours,
    read_months,
)
from tests.consumption import Site, put, register

pytestmark = pytest.mark.integration

START = datetime(2026, 11, 2, tzinfo=UTC)
DAY = timedelta(days=1)
D = Decimal


def at(hours: float) -> datetime:
    return START + timedelta(hours=hours)


def fill(connection: Connection, site: Site, *found: tuple[float, Any]) -> None:
    """Store readings, at hours after `START`, and refresh."""
    put(connection, [(site, Value(at(hours), D(value))) for hours, value in found])
    refresh_aggregates(connection)


def set_unit(connection: Connection, unit: str, *sites: Site) -> None:
    connection.execute(
        "UPDATE device SET unit = %s WHERE id = ANY(%s)", [unit, [site.device_id for site in sites]]
    )


def of(site: Site) -> dict[str, Any]:
    """The arguments that name a site's device, asked for by its account."""
    return {"account_id": site.account_id, "device_id": site.device_id}


@pytest.mark.parametrize(
    ("measurement", "totals"),
    [("delta", [D(30), D(40)]), ("cumulative", [D(10), D(20)]), ("gauge", [None, None])],
)
def test_it_gives_the_hours_of_the_period_with_what_each_kind_consumed(
    connection: Connection, measurement: str, totals: list[Decimal | None]
) -> None:
    site = register(connection, Meter(measurement))
    fill(connection, site, (0, 10), (0.5, 20), (2, 40), (3, 41))
    assert read_hours(**of(site), since=at(0), until=at(3)) == [
        Point(at(0), totals[0], D(15), D(10), D(20), D(10), D(20), 2),
        Point(at(2), totals[1], D(40), D(40), D(40), D(40), D(40), 1),
    ]
    assert read_hours(site.account_id + 1, device_id=site.device_id, since=at(0), until=at(3)) == []


def test_it_gives_local_days_and_billing_months(connection: Connection) -> None:
    site = register(connection, Meter("delta"), zone="America/Sao_Paulo", billing_day=3)
    fill(connection, site, (0, 1), (26.9, 2), (27, 4), (27.5, 6))
    day = {"first": date(2026, 11, 1), "until": date(2026, 11, 4)}
    before = Point(date(2026, 11, 1), D(1), D(1), D(1), D(1), D(1), D(1), 1)
    second = Point(date(2026, 11, 2), D(2), D(2), D(2), D(2), D(2), D(2), 1)
    third = Point(date(2026, 11, 3), D(10), D(5), D(4), D(6), D(4), D(6), 2)
    assert read_days(**of(site), **day) == [before, second, third]
    assert read_days(**of(site), first=date(2026, 11, 2), until=date(2026, 11, 3)) == [second]
    month = {"first": date(2026, 10, 3), "until": date(2026, 11, 4)}
    assert read_months(**of(site), **month) == [
        Point(date(2026, 10, 3), D(3), D("1.5"), D(1), D(2), D(1), D(2), 2),
        third,
    ]
    other = {"account_id": site.account_id + 1, "device_id": site.device_id}
    assert read_days(**other, **day) == read_months(**other, **month) == []


def test_it_shows_each_account_its_own_days_when_a_device_moved(connection: Connection) -> None:
    site = register(connection, Meter("delta"))
    fill(connection, site, (0, 1), (1, 2))
    heir = register(connection, Meter("delta"))
    connection.execute(
        "UPDATE gateway SET account_id = %s WHERE id = %s", [heir.account_id, site.gateway_id]
    )
    moved = msgspec.structs.replace(site, account_id=heir.account_id)
    fill(connection, moved, (48, 8))
    hours, days = (
        {"since": at(0), "until": at(72)},
        {"first": START.date(), "until": at(72).date()},
    )
    for owner, start, total in ((site, at(0), D(3)), (moved, at(48), D(8))):
        assert read_hours(**of(owner), **hours)[0].start == start
        assert [(p.start, p.total) for p in read_days(**of(owner), **days)] == [
            (start.date(), total)
        ]
        assert [row.total for row in read_account_days(owner.account_id, **days)] == [total]
        found = compare_devices(owner.account_id, device_ids=[site.device_id], **days)
        assert [row.total for row in found] == [total]
        top = find_top_consumers(owner.account_id, unit="", **days)
        assert top == [Consumer(site.device_id, total, D(1))]
    assert find_gaps(**of(site), **hours) == find_silences(**of(site), **hours, over_s=1) == []
    assert find_gaps(**of(moved), **hours) == [Gap(at(0), at(48)), Gap(at(49), at(72))]


def test_it_finds_the_hours_without_readings_and_the_ends_of_the_period(
    connection: Connection,
) -> None:
    site = register(connection, Meter("gauge"))
    fill(connection, site, (2.5, 1), (3, 1), (6.9, 1), (7, 1), (9, 1))
    gaps = [Gap(at(0), at(2)), Gap(at(4), at(6)), Gap(at(8), at(9)), Gap(at(10), at(11))]
    assert find_gaps(**of(site), since=at(0), until=at(11)) == gaps
    assert find_gaps(**of(site), since=at(-0.5), until=at(11.9)) == gaps
    assert find_gaps(**of(site), since=at(2.1), until=at(10)) == gaps[1:3]
    assert find_gaps(**of(site), since=at(4), until=at(6)) == [gaps[1]]
    assert find_gaps(**of(site), since=at(4.1), until=at(4.9)) == []
    assert find_gaps(site.account_id + 1, device_id=site.device_id, since=at(0), until=at(9)) == []


def test_it_finds_stretches_between_readings_that_are_too_long(connection: Connection) -> None:
    site = register(connection, Meter("gauge"))
    put(connection, [(site, Value(at(hours), D(1))) for hours in (1, 1.25, 2, 2.5)])
    period = {"since": at(0), "until": at(3)}
    assert find_silences(**of(site), **period, over_s=1_800) == [
        Gap(at(0), at(1)),
        Gap(at(1.25), at(2)),
    ]
    assert find_silences(**of(site), **period, over_s=1_799.5)[-1] == Gap(at(2.5), at(3))
    other = {"account_id": site.account_id + 1, "device_id": site.device_id}
    assert find_silences(**other, **period, over_s=1) == []


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
        DevicePeriod(site.device_id, "kWh", D(90), D(30), D(10), D(60), 3, 2),
        DevicePeriod(gauge.device_id, "", None, D(1), D(-5), D(7), 2, 1),
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
    connection.execute(
        "INSERT INTO closed_month (account_id, month) VALUES (%s, %s)",
        [site.account_id, month["first"]],
    )
    connection.execute("UPDATE monthly_total SET closed_total = 5")
    assert [point.total for point in read_months(**of(site), **month)] == [D(5)]
    assert [row.total for row in read_account_months(site.account_id, **month)] == [D(5)]
    assert [point.total for point in read_days(**of(site), **month)] == [D(7)]


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
