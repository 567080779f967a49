"""Verification finds and repairs what is planted where there are edits, moves, changes of meter,
net meters, gaps and calendars that changed."""

from datetime import UTC, date, datetime, timedelta
from decimal import Decimal

import pytest
from msgspec import Struct

from telemetry.assignments.moving import move_gateway
from telemetry.core.consumption import Meter, Value
from telemetry.edits.editing import VOID, Change, request_edit
from telemetry.models import Account, Device, Gateway, MonthAdjustment
from telemetry.store.aggregates.refresh import refresh_aggregates
from telemetry.store.billing.closing import close_month
from telemetry.store.db.connection import Connection
from telemetry.store.verification.repair import repair_aggregates
from telemetry.store.verification.verify import Scope, verify_aggregates
from tests.consumption import Replacement, Site, put, read, register, replace_register
from tests.integration.store.test_verification import tell

pytestmark = pytest.mark.integration

START = datetime(2026, 9, 28, tzinfo=UTC)
HOUR, DAY = timedelta(hours=1), timedelta(days=1)
MOVED_AT = START + 4 * DAY + 10 * HOUR  # 2 October, 10:00
NOW = datetime(2026, 11, 20, tzinfo=UTC)
NET = Meter("cumulative", interval_s=3600, is_net=True, factor=Decimal(40))
REGISTER = Meter("cumulative", interval_s=3600)


class Fleet(Struct):
    """A delta with edits, a net register, a register that moved and was changed in a gap."""

    delta: Site
    net: Site
    moved: Site
    new: Account


@pytest.fixture
def fleet(connection: Connection) -> Fleet:
    """A week of all, September closed, then another time zone."""
    delta = register(connection, Meter("delta", interval_s=3600), is_spread=True)
    net, moved = (register(connection, meter, beside=delta) for meter in (NET, REGISTER))
    for site in (delta, net, moved):
        hours = [step for step in range(168) if site is not moved or not 104 < step < 112]
        put(connection, [(site, Value(START + step * HOUR + HOUR / 4, _value(site, step)))
                         for step in hours])  # fmt: skip
    change = Replacement(START + 107 * HOUR + HOUR / 2, Decimal(700), Decimal(0))
    replace_register(connection, moved, change)
    account, device = (
        Account.objects.get(pk=delta.account_id),
        Device.objects.get(pk=delta.device_id),
    )
    for hour, made in ((3, VOID), (5, Change(value=Decimal(2)))):
        at = START + hour * HOUR + HOUR / 4
        request_edit(account, device=device, since=at, until=at, change=made, reason="x", user=None)
    new = Account.objects.create(name="New", time_zone="Asia/Kolkata")
    refresh_aggregates(connection)
    close_month(delta.account_id, month=date(2026, 9, 1), user_id=None, now=NOW)
    move_gateway(Gateway.objects.get(pk=moved.gateway_id), new, since=MOVED_AT)
    account.refresh_from_db()
    account.time_zone = "America/Sao_Paulo"
    account.save()
    refresh_aggregates(connection)
    found = verify_aggregates(connection)
    assert (found.examples, found.waiting) == ([], 0)
    return Fleet(delta, net, moved, new)


def _value(site: Site, step: int) -> Decimal:
    if site.meter.measurement == "delta":
        return Decimal(step % 5)
    if site.meter.is_net:
        return Decimal(500 - step * (-1) ** step)
    return Decimal(step * 5 if step < 108 else step - 107)


HOURLY = "WHERE device_id = %s AND hour = '{}Z'"
PLANTED = {
    "a voided reading that counts": (
        "delta",
        "INSERT INTO reading (time, received_at, account_id, gateway_id, device_id, value, unit)"
        " SELECT time, received_at, account_id, gateway_id, device_id, raw_value, unit"
        " FROM edited_reading WHERE device_id = %s AND after IS NULL",
        {("reading", "2026-09-28T03:15:00.000000Z", "too many")},
    ),
    "a substituted reading with another value": (
        "delta",
        "UPDATE reading SET value = 9 WHERE device_id = %s AND time = '2026-09-28 05:15Z'",
        {("reading", "2026-09-28T05:15:00.000000Z", "value")},
    ),
    "a substituted reading that is gone": (
        "delta",
        "DELETE FROM reading WHERE device_id = %s AND time = '2026-09-28 05:15Z'",
        {("reading", "2026-09-28T05:15:00.000000Z", "missing")},
    ),
    "the hour of a voided reading that counts": (
        "delta",
        "INSERT INTO hourly_consumption (device_id, hour, account_id, consumption, within)"
        " SELECT device_id, '2026-09-28 03:00Z', account_id, 3, 3 FROM hourly_consumption "
        + HOURLY.format("2026-09-28 04:00"),
        {("hourly_consumption", "2026-09-28T03:00Z", "too many")},
    ),
    "a reading of before the move that is the new account's": (
        "moved",
        "UPDATE reading SET account_id = (SELECT max(id) FROM account)"
        " WHERE device_id = %s AND time = '2026-10-01 20:15Z'",
        {("reading", "2026-10-01T20:15:00.000000Z", "account_id")},
    ),
    "a reading of after the move that is the old account's": (
        "moved",
        "UPDATE reading SET account_id = (SELECT min(id) FROM account)"
        " WHERE device_id = %s AND time = '2026-10-03 20:15Z'",
        {("reading", "2026-10-03T20:15:00.000000Z", "account_id")},
    ),
    "an hour of after the move that is the old account's": (
        "moved",
        "UPDATE hourly_consumption SET account_id = (SELECT min(id) FROM account) "
        + HOURLY.format("2026-10-03 20:00"),
        {("hourly_consumption", "2026-10-03T20:00Z", "account_id")},
    ),
    "an exchange of after the move, without readings, that is the old account's": (
        "moved",
        "UPDATE hourly_consumption SET account_id = (SELECT min(id) FROM account) "
        + HOURLY.format("2026-10-02 11:00"),
        {("hourly_consumption", "2026-10-02T11:00Z", "account_id")},
    ),
    "a day of the new account that is another one": (
        "moved",
        "UPDATE daily_aggregate SET total = total + 1 WHERE device_id = %s AND day = '2026-10-03'",
        {("daily_aggregate", "2026-10-03", "total")},
    ),
    "a month of the old account that is gone": (
        "moved",
        "DELETE FROM monthly_total WHERE device_id = %s AND month = '2026-10-01'"
        " AND account_id = (SELECT min(id) FROM account)",
        {("monthly_total", "2026-10-01", "missing")},
    ),
    "a gap over the move that is none": (
        "moved",
        "UPDATE hourly_consumption SET is_gap = NOT is_gap " + HOURLY.format("2026-10-02 11:00"),
        {("hourly_consumption", "2026-10-02T11:00Z", "is_gap")},
    ),
    "the end of an old register that was not counted": (
        "moved",
        "UPDATE hourly_consumption SET step = step - 1, consumption = consumption - 1 "
        + HOURLY.format("2026-10-02 11:00"),
        {("hourly_consumption", "2026-10-02T11:00Z", "consumption,step")},
    ),
    "what a new register had reached": (
        "moved",
        "UPDATE hourly_consumption SET height = 900, height_at = last_at "
        + HOURLY.format("2026-10-02 16:00"),
        {("hourly_consumption", "2026-10-02T16:00Z", "height")},
    ),
    "a net hour that counts forwards": (
        "net",
        "UPDATE hourly_consumption SET step = -step, consumption = -consumption "
        + HOURLY.format("2026-09-29 10:00"),
        {("hourly_consumption", "2026-09-29T10:00Z", "consumption,step")},
    ),
    "a net hour without its factor": (
        "net",
        "UPDATE hourly_consumption SET step = step / 40, consumption = consumption / 40 "
        + HOURLY.format("2026-09-29 11:00"),
        {("hourly_consumption", "2026-09-29T11:00Z", "consumption,step")},
    ),
    "a net day that is not below zero": (
        "net",
        "UPDATE daily_aggregate SET total = abs(total) + 1 WHERE device_id = %s"
        " AND day = '2026-10-02'",
        {("daily_aggregate", "2026-10-02", "total")},
    ),
    "the first day in the new zone, as in the old one": (
        "delta",
        "UPDATE daily_aggregate SET readings_count = 24 WHERE device_id = %s"
        " AND day = '2026-10-01'",
        {("daily_aggregate", "2026-10-01", "readings_count")},
    ),
    "the last day in the old zone, as in the new one": (
        "delta",
        "UPDATE daily_aggregate SET readings_count = 27 WHERE device_id = %s"
        " AND day = '2026-09-30'",
        {("daily_aggregate", "2026-09-30", "readings_count")},
    ),
    "intervals that a day does not have": (
        "net",
        "UPDATE daily_aggregate SET intervals_seen = 48 WHERE device_id = %s"
        " AND day = '2026-10-02'",
        {("daily_aggregate", "2026-10-02", "intervals_seen")},
    ),
    "estimates of a month of the new account": (
        "moved",
        "UPDATE monthly_total SET estimated = estimated + 1 WHERE device_id = %s"
        " AND month = '2026-10-01' AND account_id <> (SELECT min(id) FROM account)",
        {("monthly_total", "2026-10-01", "estimated")},
    ),
    "bands of a closed month": (
        "net",
        "UPDATE closed_line SET bands = '[1]' WHERE device_id = %s AND month = '2026-09-01'",
        {("closed_line", "2026-09-01", "bands")},
    ),
    "another name in a closed month": (
        "net",
        "UPDATE closed_line SET name = 'other', unit = 'l' WHERE device_id = %s"
        " AND month = '2026-09-01'",
        {("closed_line", "2026-09-01", "name,unit")},
    ),
}


@pytest.mark.parametrize("planted", PLANTED)
def test_it_finds_and_repairs_it(connection: Connection, fleet: Fleet, planted: str) -> None:
    name, statement, expected = PLANTED[planted]
    site: Site = getattr(fleet, name)
    figures = "SELECT * FROM monthly_total ORDER BY device_id, month, account_id"
    before, readings = read(connection, figures), read(connection, "SELECT count(*) FROM reading")
    changed = connection.execute(statement, [site.device_id]).rowcount  # type: ignore[arg-type]
    assert changed == 1
    done = repair_aggregates(connection, scope=Scope(), examples=50)
    assert tell(done.before) >= expected
    assert {one.device_id for one in done.before.examples} == {site.device_id}
    assert (done.after.differences, done.after.examples) == (0, [])
    assert read(connection, figures) == before
    assert read(connection, "SELECT count(*) FROM reading") == readings
    assert sum(line.difference for line in MonthAdjustment.objects.all()) == 0
