"""The same hours a week before are those that the clock shows, also where clocks change."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from zoneinfo import ZoneInfo

import pytest

from telemetry.core.consumption import Meter, Value
from telemetry.models import Device
from telemetry.store.aggregates.refresh import refresh_aggregates
from telemetry.store.db.connection import Connection
from telemetry.web.charts.calendar import Calendar
from telemetry.web.charts.chart import read_device_chart
from telemetry.web.charts.period import parse_period
from telemetry.web.device.headline import read_headline
from tests.consumption import put, register

pytestmark = pytest.mark.integration


def test_it_compares_hours_of_the_clock(connection: Connection) -> None:
    zone = ZoneInfo("America/New_York")  # clocks are put back on 1 November
    site = register(connection, Meter("delta"), zone=zone.key)
    begin = datetime(2026, 10, 25, 4, tzinfo=UTC)
    hours = [begin + number * timedelta(hours=1) for number in range(24 * 14)]
    # An hour of the clock counts what its number says.
    readings = [(at, at.astimezone(zone).hour) for at in hours]
    put(connection, [(site, Value(at + timedelta(minutes=30), Decimal(n))) for at, n in readings])
    refresh_aggregates(connection)
    device = Device.objects.get(pk=site.device_id)
    calendar = Calendar(zone, device.account.billing)
    now = datetime(2026, 11, 4, 12, tzinfo=zone).astimezone(UTC)
    period, errors = parse_period(
        {"period": "24h"}, calendar=calendar, now=now, longest=timedelta(days=90)
    )
    assert not errors
    chart = read_device_chart(
        site.account_id, device=device, period=period, calendar=calendar, now=now
    )
    found = read_headline(
        site.account_id, device=device, chart=chart, period=period, calendar=calendar, now=now
    )
    [beside] = found.beside
    every_hour_but_noon = sum(range(24)) - 12
    assert found.part.total == every_hour_but_noon
    assert (beside.text, beside.totals.total) == (
        "the same hours a week before", every_hour_but_noon,
    )  # fmt: skip
