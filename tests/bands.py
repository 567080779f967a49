"""What the bands of a device must come to, made for tests."""

from collections.abc import Callable, Iterable
from datetime import date, datetime, time
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

from telemetry.core.bands import BandCalendar, DayKind, Period, consume_by_band
from telemetry.core.consumption import Value, measure, next_month, start_of
from telemetry.store.bands import read as store
from telemetry.store.db.connection import Connection
from tests.consumption import Replacement, Site, install, read

WORKDAYS: frozenset[DayKind] = frozenset({"weekday"})
CALENDAR = BandCalendar(
    (
        Period("peak", WORKDAYS, time(17, 30), time(20, 30)),
        Period("between", WORKDAYS, time(16, 30), time(21, 30), ("10-15", "03-31")),
        Period("night", frozenset({"sunday", "holiday", "saturday"}), time(22), time(0)),
        Period("night", frozenset({"sunday", "weekday"}), time(0), time(5, 30)),
    ),
    frozenset({date(2026, 11, 2), date(2019, 2, 18)}),
)


def check_bands(
    connection: Connection,
    site: Site,
    readings: Iterable[Value],
    replacements: Iterable[Replacement] = (),
    *,
    owns: Callable[[datetime], bool] = lambda _at: True,
) -> None:
    """Each month's bands add up to it, and are what the pure form says."""
    zone = ZoneInfo(site.zone)
    steps = [
        one
        for one in measure(readings, install(site.meter, replacements), is_spread=site.is_spread)
        if owns(one.at)
    ]
    months: list[Any] = read(
        connection,
        "SELECT month, total, estimated FROM monthly_total"
        " WHERE device_id = %s AND account_id = %s",
        site.device_id,
        site.account_id,
    )
    for month, total, _estimated in months:
        since = start_of(month, zone)
        until = start_of(next_month(month, site.billing_day), zone)
        period = store.Period(site.account_id, since, until, zone, CALENDAR)
        lines = store.read_bands(period, device_ids=[site.device_id]).get(site.device_id, [])
        assert sum((line.total for line in lines), Decimal(0)) == (total or 0), (site, month)
        spans = period.spans(cut=store.UNCUT)
        expected = consume_by_band(steps, spans)
        found = {line.band: line.total for line in lines if line.total}
        assert found == {band: of.total for band, of in expected.items() if of.total}, (site, month)
