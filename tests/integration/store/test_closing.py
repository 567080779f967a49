"""What closing a billing month means, and undoing it."""

from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any

import psycopg
import pytest
from django.core.exceptions import ValidationError
from django.db import transaction

from telemetry.core.consumption import BillingDays, Meter, Value
from telemetry.models import (
    Account,
    ClosedMonth,
    MonthAdjustment,
    MonthEvent,
    MonthlyConsumption,
)
from telemetry.store.aggregates.refresh import refresh_aggregates
from telemetry.store.billing.closing import MonthError, close_month, reopen_month
from telemetry.store.db.connection import Connection, open_connection
from telemetry.store.verification.verify import verify_aggregates
from tests.consumption import Replacement, Site, put, read, register, replace_register

pytestmark = pytest.mark.integration

NOW = datetime(2026, 12, 5, tzinfo=UTC)
NOVEMBER = date(2026, 11, 1)


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
    WHERE (j.device_id, j.month, j.account_id) = (m.device_id, m.month, m.account_id))
    <> coalesce(total, 0)
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
    kinds = MonthEvent.objects.order_by("id").values_list("kind", "note", "totals")
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
    with pytest.raises(
        MonthError, match=r"is not the first day of a billing month .* expected 2026-11-01"
    ):
        close(site, month=date(2026, 11, 2))
    assert close(site, now=end) == 1
    with pytest.raises(MonthError, match="closed already"):
        close(site)
    with pytest.raises(MonthError, match="no account 999999"):
        close_month(999_999, month=NOVEMBER, user_id=None, now=NOW)


def test_it_refreshes_nothing_while_somebody_closes_a_month(
    connection: Connection,
) -> None:
    site = november(connection)
    with transaction.atomic():
        close(site)
        put(connection, [(site, at_day(2, 5))])
        connection.execute("SET lock_timeout = '100ms'")
        with pytest.raises(psycopg.errors.LockNotAvailable):
            refresh_aggregates(connection)
    assert refresh_aggregates(connection).adjusted == 1
    assert find_month(site) == (30, "adjusted")


def test_it_changes_the_billing_day_from_the_first_open_month_on(connection: Connection) -> None:
    site = register(connection, Meter("delta", interval_s=86_400))
    # Around the days on which months begin, by one rule or the other.
    days = {9: (15, 16, 30), 10: (1, 2, 14, 15, 16, 30, 31), 11: (1, 2, 14, 15, 16, 23)}
    put(connection, [
        (site, Value(datetime(2026, month, day, 12, tzinfo=UTC), Decimal(1)))
        for month, found in days.items() for day in found
    ])  # fmt: skip
    refresh_aggregates(connection)
    for month in (date(2026, 9, 1), date(2026, 10, 1)):
        close_month(site.account_id, month=month, user_id=None, now=NOW)
    closed = [(date(2026, 9, 1), 3, "closed"), (date(2026, 10, 1), 7, "closed")]
    account = Account.objects.get(pk=site.account_id)

    def list_months() -> list[Any]:
        refresh_aggregates(connection)
        verified = verify_aggregates(connection)
        assert (verified.examples, verified.waiting) == ([], 0)
        months = MonthlyConsumption.objects.order_by("month")
        return [(row.month, row.total, row.state) for row in months]

    account.billing_day = 15
    account.full_clean()
    account.save()
    assert list_months() == [
        *closed, (date(2026, 11, 1), 3, "open"), (date(2026, 11, 15), 3, "open")
    ]  # fmt: skip
    # A form that was open meanwhile takes nothing back.
    Account(pk=account.pk, name="other", time_zone="UTC", billing_day=15).save()
    connection.execute("UPDATE account SET billing_day = 31")
    assert list_months() == [*closed, (date(2026, 11, 1), 6, "open")]
    put(connection, [(site, Value(datetime(2026, 10, 31, 13, tzinfo=UTC), Decimal(5)))])
    assert list_months()[1:] == [
        (date(2026, 10, 1), 7, "adjusted"), (date(2026, 11, 1), 6, "open")
    ]  # fmt: skip
    account.refresh_from_db()
    assert account.billing == BillingDays(31, ((date(2026, 11, 1), 1),))
    close_month(site.account_id, month=date(2026, 11, 1), user_id=None, now=NOW)


@pytest.mark.parametrize(
    ("meter", "waits"),
    [
        pytest.param(Meter("cumulative"), True, id="a register, whose next step it changes"),
        pytest.param(Meter("delta"), False, id="a delta, whose month it is not"),
    ],
)
def test_it_closes_no_month_while_an_earlier_note_of_a_register_waits(
    connection: Connection, meter: Meter, waits: bool
) -> None:
    site = register(connection, meter)
    october = Value(datetime(2026, 10, 30, tzinfo=UTC), Decimal(5))
    put(connection, [(site, october), (site, at_day(1, 10))])
    refresh_aggregates(connection)
    late = Value(datetime(2026, 10, 30, 6, tzinfo=UTC), Decimal(7))
    put(connection, [(site, late)])
    if waits:
        with pytest.raises(MonthError, match="wait for the refresh"):
            close(site)
        refresh_aggregates(connection)
    assert close(site) == 1


def test_it_keeps_a_device_whose_months_are_all_that_is_left(connection: Connection) -> None:
    site = november(connection)
    connection.execute("TRUNCATE reading")
    with pytest.raises(psycopg.errors.ForeignKeyViolation, match="deactivate it instead"):
        connection.execute("DELETE FROM device WHERE id = %s", [site.device_id])


def test_it_notes_an_hour_that_a_refresh_writes_while_the_measurement_changes(
    connection: Connection, database_url: str
) -> None:
    site = register(connection, Meter("delta"))
    put(connection, [(site, at_day(1, 10)), (site, at_day(2, 30))])
    with open_connection(database_url, name="other", statement_timeout_s=10) as other:
        with other.transaction():
            other.execute("DELETE FROM dirty_hour")
            connection.execute("UPDATE installation SET measurement = 'cumulative'")
        assert refresh_aggregates(connection).hours == 2
    assert find_month(site)[0] == 20


def test_it_says_in_the_form_why_the_database_refuses_a_time_zone(connection: Connection) -> None:
    site = november(connection)
    connection.execute("INSERT INTO raw_horizon (dropped_before) VALUES ('2026-11-20 00:00+00')")
    account = Account.objects.get(pk=site.account_id)
    account.time_zone = "Asia/Kolkata"
    with pytest.raises(ValidationError, match="expected a time zone of whole hours"):
        account.full_clean()
    assert Account.objects.get(pk=site.account_id).time_zone == "UTC"
