"""Days and months in the account's calendar."""

import json
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from itertools import groupby, product
from zoneinfo import ZoneInfo

import psycopg
import pytest

from telemetry.core.consumption import (
    BillingDays,
    Meter,
    Value,
    count_days,
    count_intervals,
    counted_day,
    cover,
    month_of,
    next_month,
    start_of,
)
from telemetry.models import (
    MonthlyConsumption,
)
from telemetry.store.aggregates import refresh
from telemetry.store.aggregates.refresh import refresh_aggregates
from telemetry.store.db.connection import Connection
from telemetry.store.verification.verify import verify_aggregates
from tests.consumption import Site, expect_figures, install, put, read, read_figures, register
from tests.integration.store.ingest import store
from tests.messages import make_message

pytestmark = pytest.mark.integration

ZONES = (
    "America/New_York", "Europe/Lisbon", "America/Sao_Paulo", "Australia/Lord_Howe",
    "Asia/Kolkata", "Pacific/Auckland", "Atlantic/Azores",
)  # fmt: skip
NOVEMBER = date(2026, 11, 1)
HOUR = timedelta(hours=1)


def test_it_gives_the_figures_of_the_system_before(connection: Connection, fleet: None) -> None:
    connection.execute("UPDATE account SET spreads_gaps = false")
    for day in range(2, 7):
        store(
            connection,
            *(
                make_message(code=code, valor=valor, unit=unit, at=f"2026-02-{day:02}T02:30:00Z")
                for code, valor, unit in (
                    ("D01", "123.45", "kWh"),
                    ("D02", "67.89", "m³"),
                    ("D03", "22.50", "°C"),
                )
            ),
        )
    # The last evening of January in Sao Paulo is February in UTC: it counts for January.
    store(connection, make_message(valor="1000", at="2026-02-01T02:59:59Z"))
    refresh_aggregates(connection)
    rows = MonthlyConsumption.objects.filter(month=date(2026, 2, 1)).order_by("device__code")
    assert [
        (row.device.code, row.total, row.reading_sum, row.reading_mean, row.readings_count)
        for row in rows.select_related("device")
    ] == [
        ("D01", Decimal("617.25"), Decimal("617.25"), Decimal("123.45"), 5),
        ("D02", Decimal("339.45"), Decimal("339.45"), Decimal("67.89"), 5),
        ("D03", None, Decimal("112.50"), Decimal("22.50"), 5),
    ]
    assert {row.account.name for row in rows} == {"Conta Teste Telemetria"}
    assert {(row.month_end, row.state) for row in rows} == {(date(2026, 3, 1), "open")}
    assert rows[0].daily_mean is not None
    assert round(rows[0].daily_mean, 4) == round(Decimal("617.25") / 28, 4)
    [january] = MonthlyConsumption.objects.filter(month=date(2026, 1, 1))
    assert january.total == 1000


def make_year(site: Site) -> list[Value]:
    """Readings with odd decimals over both changes of the clocks of 2026, on no regular border."""
    spans = ((date(2026, 3, 3), date(2026, 4, 20)), (date(2026, 9, 20), date(2026, 11, 12)))
    found = []
    for first, last in spans:
        at = datetime(first.year, first.month, first.day, tzinfo=UTC) + site.device_id * HOUR / 7
        while at.date() < last:
            found.append(Value(at, Decimal(int(at.timestamp()) % 99_991) / 10_000))
            at += timedelta(hours=5, minutes=30, seconds=site.device_id)
    # And on every border itself, and a microsecond before it.
    for day in (date(2026, 3, 29), date(2026, 4, 5), date(2026, 10, 25), date(2026, 11, 1)):
        start = start_of(day, ZoneInfo(site.zone))
        found += [Value(start, Decimal("0.0001"))]
        found += [Value(start - timedelta(microseconds=1), Decimal("0.0003"))]
    return found


def test_it_adds_up_to_the_raw_readings_in_every_zone_over_the_changes_of_the_clocks(
    connection: Connection,
) -> None:
    sites = [register(connection, Meter("delta"), zone=zone, billing_day=1) for zone in ZONES]
    sites += [register(connection, Meter("delta"), zone=zone, billing_day=25) for zone in ZONES]
    sites += [register(connection, Meter("delta"), zone=zone, billing_day=31) for zone in ZONES[:2]]
    put(connection, [(site, value) for site in sites for value in make_year(site)])
    refresh_aggregates(connection)
    checked = 0
    for site in sites:
        zone = ZoneInfo(site.zone)
        months = read(
            connection, "SELECT month, total FROM monthly_total WHERE device_id = %s",
            site.device_id,
        )  # fmt: skip
        for month, total in months:
            assert month == month_of(month, site.billing_day)
            [(raw,)] = read(
                connection,
                "SELECT sum(value) FROM reading WHERE device_id = %s AND time > %s AND time <= %s",
                site.device_id, start_of(month, zone),
                start_of(next_month(month, site.billing_day), zone),
            )  # fmt: skip
            assert total == raw, (site, month)
            checked += 1
        assert read(
            connection,
            "SELECT (SELECT sum(total) FROM monthly_total WHERE device_id = %(id)s) ="
            " (SELECT sum(value) FROM reading WHERE device_id = %(id)s)".replace(
                "%(id)s", str(site.device_id)
            ),
        ) == [(True,)]
    assert checked > 4 * len(sites)


def test_it_begins_days_and_months_as_the_reference_does(connection: Connection) -> None:
    days = [date(2026, 1, 1) + timedelta(days=shift) for shift in range(730)]
    days += [date(2018, 10, 20) + timedelta(days=shift) for shift in range(130)]
    for name in (*ZONES, "America/Santiago", "Asia/Beirut", "UTC"):
        zone = ZoneInfo(name)
        rows = read(
            connection,
            "SELECT day, local_day_start(day, %s) FROM unnest(%s::date[]) AS d (day)", name, days,
        )  # fmt: skip
        assert dict(rows) == {day: start_of(day, zone) for day in days}, name
    changes: tuple[tuple[tuple[date, int], ...], ...] = (
        (), ((date(2026, 5, 31), 15),), ((date(2026, 2, 28), 30), (date(2026, 11, 1), 1)),
    )  # fmt: skip
    for billing_day, earlier in product((1, 2, 15, 28, 29, 30, 31), changes):
        found = days[:400] if earlier else days  # before, between and after the changes
        billing = BillingDays(billing_day, earlier)
        rows = read(
            connection,
            "SELECT day, m, next_billing_month(m, n, e) FROM unnest(%s::date[]) AS d (day),"
            " (VALUES (%s, %s::jsonb)) AS a (n, e), billing_month(day, n, e) AS m",
            found, billing_day, json.dumps([[until.isoformat(), day] for until, day in earlier]),
        )  # fmt: skip
        for day, month, following in rows:
            assert month == month_of(day, billing)
            assert following == next_month(month, billing)


def test_it_describes_a_month_that_is_under_way(connection: Connection) -> None:
    now = datetime.now(UTC)
    meter = Meter("delta", interval_s=1800)
    meters = install(meter)
    site = register(connection, meter, zone="America/Sao_Paulo", billing_day=14)
    zone = ZoneInfo(site.zone)
    found = [Value(now - shift * HOUR / 3, Decimal(2)) for shift in range(200)]
    put(connection, [(site, value) for value in found])
    refresh_aggregates(connection)
    for row in MonthlyConsumption.objects.all():
        days = {value.at: counted_day(value.at, zone) for value in found}
        inside = [at for at, day in days.items() if month_of(day, 14) == row.month]
        assert row.total == 2 * len(inside)
        assert row.daily_mean is not None
        assert row.coverage is not None
        assert round(row.daily_mean, 6) == round(
            row.total / count_days(row.month, row.month_end, zone, now=now), 6
        )
        by_day = groupby(sorted(inside), key=lambda at: counted_day(at, zone))
        seen = sum(count_intervals(of_day, meters, zone) for _, of_day in by_day)
        covered = cover(Decimal(seen), row.month, row.month_end, meters, zone, now=now)
        assert covered is not None
        assert abs(row.coverage - covered) < Decimal("0.001")


def test_it_cuts_days_and_months_again_when_the_calendar_changes(connection: Connection) -> None:
    site = register(connection, Meter("cumulative"))
    start = datetime(2026, 11, 1, tzinfo=UTC)
    put(
        connection,
        [(site, Value(start + shift * HOUR / 2, Decimal(shift))) for shift in range(0, 400, 3)],
    )
    refresh_aggregates(connection)
    for zone, billing_day in (("Asia/Kolkata", 1), ("Asia/Kolkata", 3), ("America/New_York", 31)):
        connection.execute(
            "UPDATE account SET time_zone = %s, billing_day = %s", [zone, billing_day]
        )
        refresh_aggregates(connection)
        local = "(time AT TIME ZONE a.time_zone)::date"
        for key, table in (
            (local, "SELECT day, readings_count FROM daily_aggregate ORDER BY 1"),
            (f"billing_month({local}, a.billing_day, a.earlier_billing_days)",
             "SELECT month, readings_count FROM monthly_total ORDER BY 1"),
        ):  # fmt: skip
            raw = f"SELECT {key}, count(*) FROM reading, account a GROUP BY 1 ORDER BY 1"
            assert read(connection, table) == read(connection, raw)
        assert read(connection, "SELECT sum(total) FROM monthly_total") == [(399,)]
        assert read(connection, "SELECT sum(total) FROM daily_aggregate") == [(399,)]


def test_it_cuts_a_large_account_in_steps_and_goes_on_where_it_was_stopped(
    connection: Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    sites = [register(connection, Meter("delta"))]
    sites += [register(connection, Meter("delta"), beside=sites[0]) for _ in range(4)]
    start = datetime(2026, 10, 31, 12, tzinfo=UTC)
    for site in sites:
        put(connection, [(site, Value(start + step * HOUR, Decimal(step))) for step in range(24)])
    refresh_aggregates(connection)
    by_month = "SELECT device_id, month, total FROM monthly_total ORDER BY 1, 2"
    before = read(connection, by_month)
    monkeypatch.setattr(refresh, "DEVICES_A_STEP", 2)
    connection.execute("UPDATE account SET billing_day = 5")
    connection.execute("UPDATE account SET time_zone = 'Asia/Kolkata', billing_day = 1")
    left = "SELECT new_days, last_device_id FROM dirty_account ORDER BY id"
    assert len(read(connection, left)) == 2
    refresh_days = refresh.refresh_days

    def fail_later(connection: Connection) -> int:
        if read(connection, left) == [(True, sites[3].device_id)]:
            raise KeyboardInterrupt
        return refresh_days(connection)

    monkeypatch.setattr(refresh, "refresh_days", fail_later)
    with pytest.raises(KeyboardInterrupt):
        refresh_aggregates(connection)
    assert read(connection, left) == [(True, sites[1].device_id)]
    half = read(connection, by_month)
    assert half[:4] != before[:4]
    assert half[4:] == before[4:]
    assert verify_aggregates(connection).examples == []
    monkeypatch.setattr(refresh, "refresh_days", refresh_days)
    refresh_aggregates(connection)
    assert read(connection, left) == []
    assert verify_aggregates(connection).waiting == 0
    assert [total for _, _, total in read(connection, by_month)] == [21, 255] * 5


def test_it_counts_the_two_ends_of_a_day_of_half_hours_as_one_hour(connection: Connection) -> None:
    start = datetime(2026, 11, 1, 18, tzinfo=UTC)
    for meter in (Meter("gauge"), Meter("delta", interval_s=600), Meter("cumulative")):
        site = register(connection, meter, zone="Asia/Kolkata")
        found = [Value(start + shift * HOUR / 12, Decimal(shift)) for shift in range(1, 13)]
        found += [Value(start + (shift + 1 / 3) * HOUR, Decimal(shift)) for shift in range(19, 28)]
        put(connection, [(site, value) for value in found])
        refresh_aggregates(connection)
        assert read_figures(connection, site) == expect_figures(site, found)
        seen = read(
            connection,
            "SELECT intervals_seen FROM daily_aggregate WHERE device_id = %s ORDER BY day",
            site.device_id,
        )
        # The second day: five hours with one reading each, and ends with six and with one.
        assert [count for (count,) in seen] == ([6, 5 + 6, 3] if meter.interval_s else [1, 6, 3])


def test_it_takes_no_time_zone_that_the_server_does_not_know(connection: Connection) -> None:
    with pytest.raises(psycopg.errors.CheckViolation, match="knows no time zone Mars/Base"):
        register(connection, Meter("delta"), zone="Mars/Base")


def test_it_bills_a_device_that_changes_hands_to_whom_its_readings_name(
    connection: Connection,
) -> None:
    site = register(connection, Meter("delta"))
    put(
        connection,
        [(site, Value(datetime(2026, 11, day, 1, tzinfo=UTC), Decimal(10))) for day in (1, 9, 30)],
    )
    new = register(connection, Meter("delta"), zone="Europe/Lisbon", billing_day=10)
    connection.execute(
        "UPDATE gateway SET account_id = %s WHERE id = %s", [new.account_id, site.gateway_id]
    )
    moved = Site(
        site.device_id, new.account_id, site.gateway_id, new.zone, new.billing_day, site.meter
    )
    put(connection, [(moved, Value(datetime(2026, 12, 20, tzinfo=UTC), Decimal(3)))])
    refresh_aggregates(connection)
    assert read(connection, "SELECT account_id, month, total FROM monthly_total ORDER BY 2") == [
        (site.account_id, NOVEMBER, 30), (new.account_id, date(2026, 12, 10), 3),
    ]  # fmt: skip
