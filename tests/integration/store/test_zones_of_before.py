"""Another time zone applies from the first open month on; closed months keep theirs."""

from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from django.core.exceptions import ValidationError

from telemetry.core.consumption import Meter, Value, counted_day, day_of, start_of
from telemetry.core.zones import read_zone
from telemetry.models import Account, MonthAdjustment
from telemetry.store.aggregates.refresh import refresh_aggregates
from telemetry.store.billing.closing import close_month, reopen_month
from telemetry.store.billing.statement import read_statement
from telemetry.store.billing.statement_devices import StatementQuestion
from telemetry.store.db.connection import Connection
from telemetry.store.verification.verify import verify_aggregates
from tests.consumption import Site, put, read, register

pytestmark = pytest.mark.integration

HOUR, DAY, MINUTE = timedelta(hours=1), timedelta(days=1), timedelta(minutes=1)
NOW = datetime(2026, 11, 25, tzinfo=UTC)
SEPTEMBER, OCTOBER, NOVEMBER = (date(2026, month, 1) for month in (9, 10, 11))
ZONES = (
    "America/Sao_Paulo",
    "America/Sao_Paulo 2026-10-01=Europe/Lisbon",
    "Europe/Lisbon 2026-10-01=America/Sao_Paulo",
    "Asia/Kolkata 2026-09-15=UTC 2026-10-25=Atlantic/Azores",
    "UTC 2026-09-01=Asia/Kolkata 2026-10-04=Australia/Lord_Howe",
)


@pytest.mark.parametrize("text", ZONES)
def test_days_begin_and_end_as_the_pure_form_says(connection: Connection, text: str) -> None:
    zone = read_zone(text)
    days = [date(2026, 8, 28) + number * DAY for number in range(70)]
    rows = read(
        connection, "SELECT day, local_day_start(day, %s) FROM unnest(%s::date[]) AS day",
        text, days,
    )  # fmt: skip
    assert dict(rows) == {day: start_of(day, zone) for day in days}
    begins = sorted(start for _, start in rows)
    assert [start for _, start in sorted(rows)] == begins
    instants = [begin + shift * 7 * MINUTE for begin in begins for shift in range(-40, 41)]
    found = read(
        connection, "SELECT at, local_day(at, %s) FROM unnest(%s::timestamptz[]) AS at",
        text, instants,
    )  # fmt: skip
    assert dict(found) == {at: day_of(at, zone) for at in instants}
    for day in days[1:-1]:  # each day holds the instants after its begin, up to the next one
        assert counted_day(start_of(day, zone), zone) == day - DAY
        assert counted_day(start_of(day, zone) + MINUTE, zone) == day


def deliver(connection: Connection, site: Site, *, minutes: int = 30) -> None:
    """One unit each half hour, from the end of August to the middle of November."""
    first = datetime(2026, 8, 30, tzinfo=UTC)
    put(
        connection,
        [(site, Value(first + n * minutes * MINUTE, Decimal(1))) for n in range(78 * 48)],
    )
    refresh_aggregates(connection)


def change(account_id: int, zone: str, **fields: Any) -> Account:
    account = Account.objects.get(pk=account_id)
    account.time_zone = zone
    for name, value in fields.items():
        setattr(account, name, value)
    account.full_clean()
    account.save()
    return Account.objects.get(pk=account_id)


def check(connection: Connection, site: Site) -> dict[date, Decimal]:
    """Everything is verified, and nothing counts twice; the months."""
    refresh_aggregates(connection)
    verified = verify_aggregates(connection)
    assert (verified.examples, verified.waiting) == ([], 0)
    readings, days, months = read(
        connection, "SELECT (SELECT sum(value) FROM reading), (SELECT sum(total) FROM"
        " daily_aggregate), (SELECT sum(total) FROM monthly_total)"
    )[0]  # fmt: skip
    assert readings == days == months
    return dict(read(
        connection, "SELECT month, total FROM monthly_total WHERE device_id = %s", site.device_id
    ))  # fmt: skip


def test_it_changes_the_time_zone_from_the_first_open_month_on(connection: Connection) -> None:
    site = register(connection, Meter("delta", interval_s=1800))
    deliver(connection, site)
    account_id = site.account_id
    for month in (SEPTEMBER, OCTOBER):
        close_month(account_id, month=month, user_id=None, now=NOW)
    before = check(connection, site)
    account = change(account_id, "Asia/Kolkata")
    assert account.zones == "Asia/Kolkata 2026-11-01=UTC"
    after = check(connection, site)
    assert not MonthAdjustment.objects.exists()
    assert {month: total for month, total in after.items() if month < NOVEMBER} == {
        month: total for month, total in before.items() if month < NOVEMBER
    }
    # The first day in the new zone begins at midnight UTC and ends at midnight in India.
    days = dict(read(connection, "SELECT day, total FROM daily_aggregate"))
    assert (days[date(2026, 10, 31)], days[NOVEMBER], days[NOVEMBER + DAY]) == (48, 37, 48)
    # A late reading in a closed month is counted by the zone of that month.
    put(connection, [(site, Value(datetime(2026, 10, 31, 23, 59, tzinfo=UTC), Decimal(5)))])
    assert check(connection, site)[NOVEMBER] == after[NOVEMBER]
    [line] = MonthAdjustment.objects.all()
    assert (line.month, line.difference, line.causes) == (OCTOBER, 5, ["readings"])
    # A statement over the border adds up.
    until = datetime(2026, 11, 3, 3, 10, tzinfo=UTC)
    since = datetime(2026, 10, 30, 1, 10, tzinfo=UTC)
    [of] = read_statement(StatementQuestion(account_id, since, until)).devices
    counted = read(
        connection, "SELECT sum(value) FROM reading WHERE time > %s AND time <= %s", since, until
    )
    assert [(of.total,)] == counted


def test_it_takes_several_changes_and_takes_them_back(connection: Connection) -> None:
    site = register(connection, Meter("delta", interval_s=1800), zone="America/Sao_Paulo")
    deliver(connection, site)
    account_id = site.account_id
    close_month(account_id, month=SEPTEMBER, user_id=None, now=NOW)
    assert change(account_id, "Europe/Lisbon").zones == (
        "Europe/Lisbon 2026-10-01=America/Sao_Paulo"
    )
    check(connection, site)
    close_month(account_id, month=OCTOBER, user_id=None, now=NOW)
    account = change(account_id, "Asia/Kolkata", billing_day=15)
    assert account.zones == ("Asia/Kolkata 2026-10-01=America/Sao_Paulo 2026-11-01=Europe/Lisbon")
    assert set(check(connection, site)) == {
        date(2026, 8, 1), SEPTEMBER, OCTOBER, NOVEMBER, date(2026, 11, 15)
    }  # fmt: skip
    # What only a form that was open before knows takes nothing back.
    Account(pk=account_id, name=account.name, time_zone="Asia/Kolkata", billing_day=15).save()
    assert change(account_id, "Europe/Lisbon").zones == (
        "Europe/Lisbon 2026-10-01=America/Sao_Paulo"
    )
    check(connection, site)
    for month in (OCTOBER, SEPTEMBER):
        reopen_month(account_id, month=month, user_id=None, now=NOW)
    check(connection, site)
    assert change(account_id, "UTC").zones == "UTC"
    check(connection, site)


def test_it_refuses_a_zone_so_far_away_that_a_day_would_be_lost(connection: Connection) -> None:
    site = register(connection, Meter("delta"), zone="Pacific/Pago_Pago")
    deliver(connection, site)
    close_month(site.account_id, month=SEPTEMBER, user_id=None, now=NOW)
    with pytest.raises(ValidationError, match="would be over before it begins"):
        change(site.account_id, "Pacific/Kiritimati")
