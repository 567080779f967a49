"""What moves of devices leave behind: no false alarm, no missed fault, no day that shrinks."""

from datetime import UTC, date, datetime, timedelta
from decimal import Decimal

import pytest

from telemetry.core.consumption import Meter, Value
from telemetry.store.aggregates.refresh import refresh_aggregates
from telemetry.store.billing import closing
from telemetry.store.billing.closing import MonthError, close_month, reopen_month
from telemetry.store.billing.statement import read_statement
from telemetry.store.billing.statement_devices import StatementQuestion
from telemetry.store.db.connection import Connection
from telemetry.store.retention.chunks import move_horizon
from telemetry.store.verification.verify import verify_aggregates
from tests.consumption import Site, read, register
from tests.integration.store.ingest import claimed
from tests.integration.store.ingest import store as store_messages
from tests.integration.store.test_moved_devices import MINUTE, NOW, START, store
from tests.messages import make_message

pytestmark = pytest.mark.integration

HOUR = timedelta(hours=1)
NOVEMBER = date(2026, 11, 1)
HALF = datetime(2026, 10, 31, 18, 30, tzinfo=UTC)  # November begins in India


def make_accounts(connection: Connection, *zones: str, billing_day: int = 1) -> list[Site]:
    return [
        register(connection, Meter("gauge"), zone=zone, billing_day=billing_day) for zone in zones
    ]


def at(hours: int, value: int) -> Value:
    return Value(START + hours * HOUR, Decimal(value))


def test_it_drops_the_empty_row_when_a_month_that_lost_all_its_readings_is_reopened(
    connection: Connection,
) -> None:
    old, new = make_accounts(connection, "UTC", "UTC")
    device = register(connection, Meter("delta"), beside=old)
    store(connection, [(5, Value(at(48, 0).at + 2 * MINUTE, Decimal(30)), device, old)])
    refresh_aggregates(connection)
    close_month(old.account_id, month=NOVEMBER, user_id=None, now=NOW)
    store(connection, [(1, Value(at(48, 0).at + MINUTE, Decimal(4)), device, new)])
    refresh_aggregates(connection)
    reopen_month(old.account_id, month=NOVEMBER, user_id=None, now=NOW)
    months = read(connection, "SELECT account_id, total FROM monthly_total")
    assert months == [(new.account_id, 34)]
    assert verify_aggregates(connection).examples == []


def test_it_raises_no_false_alarm_when_an_hour_waits_to_change_accounts(
    connection: Connection,
) -> None:
    one, other = make_accounts(connection, "UTC", "UTC")
    device = register(connection, Meter("delta"), beside=one)
    owners = (one, other, one)
    store(connection, [(5 + step, at(58 + step, 1), device, owners[step]) for step in range(3)])
    refresh_aggregates(connection)
    store(connection, [(1, Value(at(58, 0).at + MINUTE, Decimal(8)), device, other)])
    found = verify_aggregates(connection)
    assert found.examples == []
    assert found.waiting > 0


def test_it_finds_a_day_of_an_account_that_never_had_the_device(connection: Connection) -> None:
    [owner] = make_accounts(connection, "UTC")
    [stranger] = make_accounts(connection, "UTC", billing_day=2)
    device = register(connection, Meter("delta"), beside=owner)
    store(connection, [(5, at(58, 1), device, owner)])
    refresh_aggregates(connection)
    connection.execute(
        "INSERT INTO daily_aggregate SELECT device_id, day, %s, total, reading_sum, minimum, "
        "maximum, first, last, readings_count, intervals_seen FROM daily_aggregate",
        [stranger.account_id],
    )
    assert verify_aggregates(connection).by_relation == {"daily_aggregate": 1}


def test_it_finds_a_billed_row_that_is_gone_when_its_readings_were_dropped(
    connection: Connection,
) -> None:
    [owner] = make_accounts(connection, "UTC")
    device = register(connection, Meter("delta"), beside=owner)
    store(connection, [(5, at(58, 1), device, owner)])
    refresh_aggregates(connection)
    close_month(owner.account_id, month=NOVEMBER, user_id=None, now=NOW)
    move_horizon(connection, NOW)
    assert verify_aggregates(connection).examples == []
    connection.execute("DELETE FROM monthly_total")
    assert verify_aggregates(connection).by_relation == {"closed_month": 1}


@pytest.mark.parametrize("meter", [Meter("delta"), Meter("cumulative")])
def test_it_leaves_days_of_half_hours_alone_when_a_former_account_is_cut_again(
    connection: Connection, meter: Meter
) -> None:
    old, new = make_accounts(connection, "UTC", "Asia/Kolkata")
    device = register(connection, meter, beside=old)
    half_hours = [
        (step, Value(START + step * HOUR / 2, Decimal(step)), device, old if step < 80 else new)
        for step in range(192)
    ]
    store(connection, half_hours)
    refresh_aggregates(connection)
    own = f"SELECT day, total FROM daily_aggregate WHERE account_id = {new.account_id} ORDER BY day"
    before = read(connection, own)
    move_horizon(connection, datetime(2026, 12, 15, tzinfo=UTC))
    connection.execute("SELECT drop_chunks('reading', older_than => '2026-11-14'::timestamptz)")
    connection.execute(
        "UPDATE account SET time_zone = 'America/New_York' WHERE id = %s", [old.account_id]
    )
    refresh_aggregates(connection)
    assert read(connection, own) == before


def test_it_closes_no_month_while_readings_of_a_device_that_moved_away_wait(
    connection: Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    old, new = make_accounts(connection, "Asia/Kolkata", "UTC")
    device = register(connection, Meter("delta"), beside=new)
    # The first and the last half hour of the month there.
    kept = [Value(at, Decimal(2)) for at in (HALF + MINUTE, HALF + timedelta(days=30))]
    store(connection, [(5, kept[1], device, old), (5, at(40, 7), device, new)])
    with pytest.raises(MonthError, match="wait for the refresh"):
        close_month(old.account_id, month=NOVEMBER, user_id=None, now=NOW)
    refresh_aggregates(connection)
    store(connection, [(6, kept[0], device, old)])
    with pytest.raises(MonthError, match="wait for the refresh"):
        close_month(old.account_id, month=NOVEMBER, user_id=None, now=NOW)
    refresh_aggregates(connection)
    never_there = register(connection, Meter("delta"), beside=new)
    store(connection, [(7, at(41, 9), never_there, new)])
    monkeypatch.setattr(closing, "MOST_DEVICE_HOURS", 0)
    with pytest.raises(MonthError, match="wait for the refresh"):
        close_month(old.account_id, month=NOVEMBER, user_id=None, now=NOW)
    monkeypatch.undo()
    assert close_month(old.account_id, month=NOVEMBER, user_id=None, now=NOW) == 1
    assert read(connection, "SELECT closed_total FROM monthly_total WHERE account_id = %s",
                old.account_id) == [(Decimal(4),)]  # fmt: skip


def test_a_late_reading_is_the_accounts_that_had_the_gateway_at_its_time(
    connection: Connection,
) -> None:
    old, new = make_accounts(connection, "UTC", "America/Sao_Paulo")
    device = register(connection, Meter("delta"), beside=old)
    [(mac,)] = read(connection, "SELECT mac FROM gateway WHERE id = %s", device.gateway_id)

    def receive(day: int, **values: int) -> None:
        """Values by the day and hour of their stamp: `d14h10`."""
        messages = [
            make_message(
                mac=mac, code="D", valor=value, at=f"2026-11-{name[1:3]}T{name[4:]}:00:00Z"
            )
            for name, value in values.items()
        ]
        received_at = datetime(2026, 11, day, 20, tzinfo=UTC)
        store_messages(connection, *messages, batch=claimed(received_at=received_at))
        refresh_aggregates(connection)

    receive(14, d14h10=5)
    connection.execute(
        "UPDATE gateway SET account_id = %s WHERE id = %s", [new.account_id, device.gateway_id]
    )
    assert read(connection, "SELECT account_id, since IS NULL FROM assignment ORDER BY id") == [
        (old.account_id, True), (new.account_id, False),
    ]  # fmt: skip
    connection.execute("UPDATE assignment SET since = '2026-11-15T12:00Z' WHERE since IS NOT NULL")
    receive(20, d15h13=7, d15h12=1, d14h11=3)  # the instant of the move is still the old one's
    months = "SELECT account_id, total FROM monthly_total ORDER BY account_id"
    assert read(connection, months) == [(old.account_id, 9), (new.account_id, 7)]
    close_month(old.account_id, month=NOVEMBER, user_id=None, now=NOW)
    receive(21, d14h12=2, d16h01=4)
    assert read(connection, months) == [(old.account_id, 11), (new.account_id, 11)]
    assert read(connection, "SELECT account_id, difference FROM month_adjustment") == [
        (old.account_id, 2)
    ]
    verified = verify_aggregates(connection)
    assert (verified.examples, verified.waiting) == ([], 0)
    since, until = datetime(2026, 11, 1, tzinfo=UTC), datetime(2026, 11, 21, tzinfo=UTC)
    for account, is_own in ((old, False), (new, True)):
        [of] = read_statement(StatementQuestion(account.account_id, since, until)).devices
        assert (of.total, of.is_own) == (11, is_own)
