"""Months in the account's calendar, and what closing one means."""

from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

import psycopg
import pytest
from django.core.exceptions import ValidationError

from telemetry.core.consumption import (
    Meter,
    Replacement,
    Value,
    count_days,
    count_intervals,
    cover,
    day_of,
    month_of,
    next_month,
    start_of,
)
from telemetry.models import (
    Account,
    ClosedMonth,
    MonthAdjustment,
    MonthEvent,
    MonthlyConsumption,
)
from telemetry.store.aggregates import refresh_aggregates
from telemetry.store.connection import Connection
from telemetry.store.months import MonthError, close_month, reopen_month
from tests.consumption import Site, put, read, register, replace_register
from tests.integration.test_store import store
from tests.messages import make_message

pytestmark = pytest.mark.integration

ZONES = (
    "America/New_York", "Europe/Lisbon", "America/Sao_Paulo", "Australia/Lord_Howe",
    "Asia/Kolkata", "Pacific/Auckland", "Atlantic/Azores",
)  # fmt: skip
NOW = datetime(2026, 12, 5, tzinfo=UTC)
NOVEMBER = date(2026, 11, 1)
HOUR = timedelta(hours=1)


def test_it_gives_the_figures_of_the_system_before(connection: Connection, fleet: None) -> None:
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
            assert month.day == site.billing_day
            [(raw,)] = read(
                connection,
                "SELECT sum(value) FROM reading WHERE device_id = %s AND time >= %s AND time < %s",
                site.device_id, start_of(month, zone), start_of(next_month(month), zone),
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
    for billing_day in (1, 2, 15, 28):
        rows = read(
            connection,
            "SELECT day, m, next_billing_month(m) FROM unnest(%s::date[]) AS d (day),"
            " LATERAL (SELECT billing_month(day, %s)) AS b (m)", days, billing_day,
        )  # fmt: skip
        for day, month, following in rows:
            assert month == month_of(day, billing_day)
            assert following == next_month(month)


def test_it_describes_a_month_that_is_under_way(connection: Connection) -> None:
    now = datetime.now(UTC)
    meter = Meter("delta", interval_s=1800)
    site = register(connection, meter, zone="America/Sao_Paulo", billing_day=14)
    zone = ZoneInfo(site.zone)
    found = [Value(now - shift * HOUR / 3, Decimal(2)) for shift in range(200)]
    put(connection, [(site, value) for value in found])
    refresh_aggregates(connection)
    for row in MonthlyConsumption.objects.all():
        inside = [value.at for value in found if month_of(day_of(value.at, zone), 14) == row.month]
        assert row.total == 2 * len(inside)
        assert row.daily_mean is not None
        assert row.coverage is not None
        assert round(row.daily_mean, 6) == round(
            row.total / count_days(row.month, zone, now=now), 6
        )
        covered = cover(count_intervals(inside, meter, zone), row.month, meter, zone, now=now)
        assert covered is not None
        assert abs(row.coverage - covered) < Decimal("0.001")


def november(connection: Connection) -> Site:
    """A delta device with 30 in November 2026, refreshed."""
    site = register(connection, Meter("delta"))
    put(connection, [(site, at_day(day, 10)) for day in (1, 15, 30)])
    refresh_aggregates(connection)
    return site


def at_day(day: int, value: Any) -> Value:
    return Value(datetime(2026, 11, day, 12, tzinfo=UTC), Decimal(str(value)))


def close(site: Site, month: date = NOVEMBER, **changes: Any) -> int:
    return close_month(site.account_id, **{"month": month, "user_id": None, "now": NOW, **changes})


def find_month(site: Site) -> tuple[Any, ...]:
    row = MonthlyConsumption.objects.get(device_id=site.device_id, month=NOVEMBER)
    return row.total, row.state


INVARIANT = """
SELECT count(*) FROM monthly_total m JOIN closed_month USING (account_id, month)
WHERE coalesce(closed_total, 0) + (SELECT coalesce(sum(difference), 0) FROM month_adjustment j
    WHERE j.device_id = m.device_id AND j.month = m.month) <> coalesce(total, 0)
"""


def test_it_keeps_the_total_of_a_closed_month_and_notes_what_comes_later(
    connection: Connection,
) -> None:
    site = november(connection)
    other = register(connection, Meter("delta"), beside=site)
    gauge = register(connection, Meter("gauge"), beside=site)
    assert close(site, note="billed") == 1
    assert find_month(site) == (30, "closed")
    put(connection, [(site, at_day(2, "0.5")), (other, at_day(3, 7)), (gauge, at_day(3, 7))])
    done = refresh_aggregates(connection)
    assert done.adjusted == 2
    put(connection, [(site, at_day(4, "1.5"))])
    assert refresh_aggregates(connection).adjusted == 1
    assert refresh_aggregates(connection).adjusted == 0
    assert find_month(site) == (30, "adjusted")
    assert find_month(other) == (0, "adjusted")
    assert find_month(gauge) == (None, "closed")
    found = MonthAdjustment.objects.order_by("id").values_list("device_id", "difference")
    assert list(found) == [
        (site.device_id, Decimal("0.5")), (other.device_id, 7), (site.device_id, Decimal("1.5")),
    ]  # fmt: skip
    assert read(connection, INVARIANT) == [(0,)]
    assert read(connection, "SELECT total FROM monthly_total ORDER BY device_id")[0] == (32,)


def test_it_says_closed_again_when_adjustments_even_out(connection: Connection) -> None:
    site = register(connection, Meter("cumulative"))
    put(connection, [(site, at_day(day, 10 * day)) for day in (1, 15, 30)])
    refresh_aggregates(connection)
    close(site)
    put(connection, [(site, Value(datetime(2026, 10, 31, tzinfo=UTC), Decimal(4)))])
    refresh_aggregates(connection)
    assert find_month(site) == (290, "adjusted")
    [line] = MonthAdjustment.objects.all()
    assert line.difference == 6
    replacement = Replacement(datetime(2026, 11, 2, tzinfo=UTC), Decimal(14), Decimal(20))
    replace_register(connection, site, replacement)
    refresh_aggregates(connection)
    assert find_month(site) == (290, "closed")
    assert read(connection, INVARIANT) == [(0,)]


def test_it_reopens_a_month_and_keeps_what_was_billed_in_the_record(
    connection: Connection,
) -> None:
    site = november(connection)
    close(site, note="billed")
    put(connection, [(site, at_day(2, 5))])
    refresh_aggregates(connection)
    said = {"month": NOVEMBER, "user_id": None, "note": "wrong meter", "now": NOW}
    assert reopen_month(site.account_id, **said) == 1
    assert find_month(site) == (35, "open")
    assert not MonthAdjustment.objects.exists()
    assert not ClosedMonth.objects.exists()
    kinds = MonthEvent.objects.order_by("id").values_list("kind", "note", "figures")
    key = str(site.device_id)
    assert list(kinds) == [
        ("closed", "billed", {key: {"closed_total": "30.0000", "adjustments": "0"}}),
        ("reopened", "wrong meter", {key: {"closed_total": "30.0000", "adjustments": "5.0000"}}),
    ]
    with pytest.raises(MonthError, match="is not closed"):
        reopen_month(site.account_id, **said)
    close(site)
    assert find_month(site) == (35, "closed")


def test_it_closes_no_month_that_is_under_way_closed_or_none(connection: Connection) -> None:
    site = register(connection, Meter("delta"), zone="America/Sao_Paulo")
    put(connection, [(site, at_day(5, 1))])
    with pytest.raises(MonthError, match="wait for the refresh"):
        close(site)
    refresh_aggregates(connection)
    end = datetime(2026, 12, 1, 3, tzinfo=UTC)
    with pytest.raises(MonthError, match="is not over: it ends at 2026-12-01 03:00 UTC"):
        close(site, now=end - timedelta(seconds=1))
    with pytest.raises(MonthError, match=r"begins no billing month .* expected 2026-11-01"):
        close(site, month=date(2026, 11, 2))
    assert close(site, now=end) == 1
    with pytest.raises(MonthError, match="closed already"):
        close(site)
    with pytest.raises(MonthError, match="no account 999999"):
        close_month(999_999, month=NOVEMBER, user_id=None, now=NOW)


@pytest.mark.parametrize("change", ["time_zone = 'Asia/Kolkata'", "billing_day = 15"])
def test_it_keeps_the_calendar_while_a_month_is_closed(connection: Connection, change: str) -> None:
    site = november(connection)
    close(site)
    statement: Any = f"UPDATE account SET {change}"
    with pytest.raises(psycopg.errors.CheckViolation, match="has closed months"):
        connection.execute(statement)
    account = Account.objects.get(pk=site.account_id)
    account.billing_day, account.time_zone = 15, "Asia/Kolkata"
    with pytest.raises(ValidationError, match="reopen them first"):
        account.full_clean()
    reopen_month(site.account_id, month=NOVEMBER, user_id=None, now=NOW)
    connection.execute(statement)
    account.full_clean()


def test_it_cuts_days_and_months_again_when_the_calendar_changes(connection: Connection) -> None:
    site = register(connection, Meter("cumulative"))
    start = datetime(2026, 11, 1, tzinfo=UTC)
    put(
        connection,
        [(site, Value(start + shift * HOUR / 2, Decimal(shift))) for shift in range(0, 400, 3)],
    )
    refresh_aggregates(connection)
    for zone, billing_day in (("Asia/Kolkata", 1), ("Asia/Kolkata", 3), ("America/New_York", 28)):
        connection.execute(
            "UPDATE account SET time_zone = %s, billing_day = %s", [zone, billing_day]
        )
        refresh_aggregates(connection)
        local = "(time AT TIME ZONE a.time_zone)::date"
        for key, table in (
            (local, "SELECT day, readings_count FROM daily_aggregate ORDER BY 1"),
            (f"billing_month({local}, a.billing_day)",
             "SELECT month, readings_count FROM monthly_total ORDER BY 1"),
        ):  # fmt: skip
            raw = f"SELECT {key}, count(*) FROM reading, account a GROUP BY 1 ORDER BY 1"
            assert read(connection, table) == read(connection, raw)
        assert read(connection, "SELECT sum(total) FROM monthly_total") == [(399,)]
        assert read(connection, "SELECT sum(total) FROM daily_aggregate") == [(399,)]


def test_it_takes_no_time_zone_that_the_server_does_not_know(connection: Connection) -> None:
    with pytest.raises(psycopg.errors.CheckViolation, match="knows no time zone Mars/Base"):
        register(connection, Meter("delta"), zone="Mars/Base")


def test_it_bills_a_device_that_changes_hands_to_whom_its_readings_name(
    connection: Connection,
) -> None:
    site = november(connection)
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
