"""Devices that change accounts: each account has the hours that are its own, whenever they came."""

from collections import defaultdict
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from telemetry.core.consumption import (
    Meter,
    Value,
    count_intervals,
    counted_day,
    hour_of,
    measure,
    month_of,
    sum_by,
)
from telemetry.store.aggregates.refresh import refresh_aggregates
from telemetry.store.billing.closing import MonthError, close_month, reopen_month
from telemetry.store.db.connection import Connection
from telemetry.store.ingest.ledger import insert_dirty_hours
from telemetry.store.verification.repair import repair_aggregates
from telemetry.store.verification.verify import Scope, verify_aggregates
from tests.consumption import EPOCH, Site, install, put, read, register
from tests.random_cases import random_cases

pytestmark = pytest.mark.integration

START = datetime(2026, 10, 31, tzinfo=UTC)  # New York changes its clocks on 1 November
NOW = datetime(2026, 12, 20, tzinfo=UTC)
MINUTE = timedelta(minutes=1)
OWNERS = (("America/New_York", 1), ("Asia/Kolkata", 2), ("Pacific/Auckland", 1))
METERS = (Meter("delta", interval_s=1800), Meter("cumulative"), Meter("gauge"))

Arrival = tuple[int, Value, Site, Site]  # received at, the reading, its device, its account's

BOOKS = """
SELECT count(*) FROM closed_month x
JOIN (
    SELECT device_id, month, account_id, t.total, t.closed_total, l.lines FROM monthly_total t
    FULL JOIN (
        SELECT device_id, month, account_id, sum(difference) AS lines FROM month_adjustment
        GROUP BY 1, 2, 3
    ) l USING (device_id, month, account_id)
) b USING (account_id, month)
WHERE coalesce(b.closed_total, 0) + coalesce(b.lines, 0) <> coalesce(b.total, 0)
"""


def store(connection: Connection, arrivals: list[Arrival]) -> None:
    """As `put`, of any account and received at any instant."""
    with connection.transaction():
        connection.cursor().executemany(
            "INSERT INTO reading (time, received_at, account_id, gateway_id, device_id, value,"
            " unit) VALUES (%s, %s, %s, %s, %s, %s, '')",
            [
                (value.at, NOW + received * MINUTE, owner.account_id, device.gateway_id,
                 device.device_id, value.value)
                for received, value, device, owner in arrivals
            ],
        )  # fmt: skip
        insert_dirty_hours(
            connection,
            [
                (device.device_id, (value.at - EPOCH) // timedelta(microseconds=1))
                for _, value, device, _ in arrivals
            ],
        )


def expect(arrivals: list[Arrival], device: Site) -> dict[str, dict[Any, Any]]:
    """Days and months of a device by account: an hour is its first received reading's account's."""
    of_device = sorted((one for one in arrivals if one[2] == device), key=lambda one: one[0])
    owners: dict[datetime, Site] = {}
    for _, value, _, owner in of_device:
        owners.setdefault(hour_of(value.at), owner)
    readings = sorted({value for _, value, _, _ in of_device}, key=lambda value: value.at)
    meters = install(device.meter)
    consumed = {step.at: step.consumed for step in measure(readings, meters)}
    is_gauge = device.meter.measurement == "gauge"

    def place(at: datetime) -> tuple[Site, date]:
        owner = owners[hour_of(at)]
        return owner, counted_day(at, ZoneInfo(owner.zone))

    instants = defaultdict(list)
    for reading in readings:
        instants[place(reading.at)].append(reading.at)
    seen = {
        key: count_intervals(found, meters, ZoneInfo(key[0].zone))
        for key, found in instants.items()
    }

    def place_month(at: datetime) -> tuple[Site, date]:
        owner, day = place(at)
        return owner, month_of(day, owner.billing_day)

    readings.sort(key=lambda reading: (place(reading.at)[0].account_id, reading.at))
    days, months = sum_by(readings, place), sum_by(readings, place_month)

    def total(find: Callable[[datetime], Any], key: Any) -> Decimal | None:
        found = [of for at, of in consumed.items() if find(at) == key]
        return None if is_gauge else sum(found, Decimal(0))

    return {
        "days": {
            (key[0].account_id, key[1]): (
                total(place, key),
                of.reading_sum,
                of.readings_count,
                seen[key],
            )
            for key, of in days.items()
        },
        "months": {
            (key[0].account_id, key[1]): (
                total(place_month, key),
                of.reading_sum,
                of.readings_count,
            )
            for key, of in months.items()
        },
    }


def read_rows(connection: Connection, device: Site) -> dict[str, dict[Any, Any]]:
    """The same as it stands; closed months without readings are left out."""
    found = {}
    for name, statement in (
        ("days", "SELECT account_id, day, total, reading_sum, readings_count, intervals_seen "
                 "FROM daily_aggregate WHERE device_id = %s"),
        ("months", "SELECT account_id, month, total, reading_sum, readings_count "
                   "FROM monthly_total WHERE device_id = %s AND readings_count > 0"),
    ):  # fmt: skip
        rows = read(connection, statement, device.device_id)
        found[name] = {(row[0], row[1]): tuple(row[2:]) for row in rows}
    return found


def make_owners(connection: Connection) -> list[Site]:
    return [
        register(connection, Meter("gauge"), zone=zone, billing_day=billing_day)
        for zone, billing_day in OWNERS
    ]


def forget_moves(connection: Connection) -> None:
    """As it was before moves were kept: a reading was the account's that had the gateway when the
    reading came."""
    connection.execute("TRUNCATE assignment")


def close_what_is_over(connection: Connection, owner: Site) -> None:
    for (month,) in read(
        connection,
        "SELECT DISTINCT month FROM monthly_total WHERE account_id = %s", owner.account_id,
    ):  # fmt: skip
        try:
            close_month(owner.account_id, month=month, user_id=None, now=NOW)
        except MonthError as error:
            assert "closed already" in str(error)  # noqa: PT017


@random_cases(15)
@given(data=st.data())
def test_it_gives_each_account_its_own_whenever_readings_came_and_months_were_closed(
    connection: Connection, clear: Any, data: Any
) -> None:
    clear()
    owners = make_owners(connection)
    devices = [register(connection, meter, beside=owners[0]) for meter in METERS]
    minutes = st.integers(0, 64).map(lambda half: half * 30) | st.integers(0, 2880)
    arrivals: list[Arrival] = []
    for device in devices:
        drawn = data.draw(
            st.dictionaries(minutes, st.tuples(st.integers(0, 999), st.integers(0, 2)), max_size=14)
        )
        for at, (value, owner) in drawn.items():
            one = Value(START + at * MINUTE, Decimal(value) / 10)
            arrivals.append((len(arrivals), one, device, owners[owner]))
    # Stored in another order than received: an hour may go from one account to another.
    stored = data.draw(st.permutations(arrivals))
    steps = data.draw(st.integers(1, 4))
    for step in range(steps):
        store(connection, stored[step::steps])
        holder = data.draw(st.sampled_from(owners))
        connection.execute(
            "UPDATE gateway SET account_id = %s WHERE id = ANY(%s)",
            [holder.account_id, [device.gateway_id for device in devices]],
        )
        forget_moves(connection)
        refresh_aggregates(connection)
        if data.draw(st.booleans()):
            close_what_is_over(connection, data.draw(st.sampled_from(owners)))
    for device in devices:
        assert read_rows(connection, device) == expect(arrivals, device)
    assert read(connection, BOOKS) == [(0,)]
    found = verify_aggregates(connection)
    assert (found.examples, found.waiting) == ([], 0)


def test_it_leaves_a_closed_month_to_the_account_that_was_billed(connection: Connection) -> None:
    old, new = make_owners(connection)[:2]
    device = register(connection, Meter("delta"), beside=old)
    put(connection, [(device, Value(START + (48 * 60 + 3) * MINUTE, Decimal(30)))])
    refresh_aggregates(connection)
    november = date(2026, 11, 1)
    close_month(old.account_id, month=november, user_id=None, now=NOW)
    connection.execute(
        "UPDATE gateway SET account_id = %s WHERE id = %s", [new.account_id, device.gateway_id]
    )
    forget_moves(connection)
    # Late readings name the new account: one in an hour of the old one, one in an hour of its own.
    late = Value(START + (48 * 60 + 5) * MINUTE, Decimal(2))
    own = Value(START + 60 * 60 * MINUTE, Decimal(7))
    store(connection, [(10**6, late, device, new), (10**6 + 1, own, device, new)])
    assert refresh_aggregates(connection).adjusted == 1
    months = "SELECT account_id, month, total, state FROM monthly_consumption ORDER BY account_id"
    stands = [
        (old.account_id, november, 30, "adjusted"), (new.account_id, date(2026, 11, 2), 7, "open"),
    ]  # fmt: skip
    assert read(connection, months) == stands
    assert read(connection, "SELECT account_id, difference FROM month_adjustment") == [
        (old.account_id, 2)
    ]
    repaired = repair_aggregates(connection, scope=Scope(), examples=9)
    assert repaired.before.differences == 0
    reopen_month(old.account_id, month=november, user_id=None, now=NOW)
    stands[0] = (old.account_id, november, 32, "open")
    assert read(connection, months) == stands
    assert verify_aggregates(connection, scope=Scope(account_id=old.account_id)).months == 1


def test_a_refresh_gives_what_a_worker_stamped_late_to_the_account_of_its_time(
    connection: Connection,
) -> None:
    old, new = make_owners(connection)[:2]
    device = register(connection, Meter("delta"), beside=old)
    put(connection, [(device, Value(START + hour * 60 * MINUTE, Decimal(1))) for hour in range(5)])
    connection.execute(
        "UPDATE gateway SET account_id = %s WHERE id = %s", [new.account_id, device.gateway_id]
    )
    connection.execute("UPDATE assignment SET since = %s WHERE since IS NOT NULL", [START])
    # Stored by a worker that has not heard of it yet.
    put(connection, [(device, Value(START + 7 * 60 * MINUTE, Decimal(30)))])
    refresh_aggregates(connection)
    assert read(connection, "SELECT account_id, sum(value) FROM reading GROUP BY 1 ORDER BY 1") == [
        (old.account_id, 1), (new.account_id, 34),
    ]  # fmt: skip
    months = "SELECT account_id, sum(total) FROM monthly_total GROUP BY 1 ORDER BY 1"
    assert read(connection, months) == [(old.account_id, 1), (new.account_id, 34)]
    assert verify_aggregates(connection).examples == []


def test_it_keeps_a_closed_month_whose_readings_all_went_to_another_account(
    connection: Connection,
) -> None:
    old, new = make_owners(connection)[:2]
    device = register(connection, Meter("delta"), beside=old)
    at = Value(START + (48 * 60 + 3) * MINUTE, Decimal(30))
    store(connection, [(5, at, device, old)])
    refresh_aggregates(connection)
    close_month(old.account_id, month=date(2026, 11, 1), user_id=None, now=NOW)
    # A batch that waited: its reading was received before, when the device was the other's.
    before = Value(START + (48 * 60 + 1) * MINUTE, Decimal(4))
    store(connection, [(1, before, device, new)])
    assert refresh_aggregates(connection).adjusted == 1
    months = (
        "SELECT account_id, total, reading_mean, coverage, state FROM monthly_consumption"
        " ORDER BY account_id"
    )
    [billed, own] = read(connection, months)
    assert billed == (old.account_id, 30, 0, 0, "adjusted")
    assert own[:3] == (new.account_id, 34, 17)
    assert read(connection, "SELECT account_id, difference FROM month_adjustment") == [
        (old.account_id, -30)
    ]
    assert verify_aggregates(connection).differences == 0
    assert read(connection, BOOKS) == [(0,)]
