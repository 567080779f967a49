"""Situations with their right bill, tried on the pure form and on SQL."""

from collections.abc import Iterable
from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

from msgspec import Struct

from telemetry.core.consumption import (
    Meter,
    Replacement,
    Value,
    counted_day,
    measure,
    month_of,
    sum_by,
)

ZONE = "America/Sao_Paulo"
MINUTE = timedelta(minutes=1)


class BillingCase(Struct, frozen=True):
    """A device and what its account's months come to. `days`: some of its days."""

    meter: Meter
    readings: list[Value]
    months: dict[date, Decimal]
    days: dict[date, Decimal] = {}
    replacements: list[Replacement] = []
    zone: str = ZONE
    billing_day: int = 1


def local(text: str, zone: str = ZONE) -> datetime:
    """An instant, in UTC, by the clock of the zone: `2026-09-01` or `2026-09-01 10:00`."""
    return datetime.fromisoformat(text).replace(tzinfo=ZoneInfo(zone)).astimezone(ZoneInfo("UTC"))


def read_at(values: dict[str, Any], zone: str = ZONE) -> list[Value]:
    """Readings by their local instant."""
    return [Value(local(text, zone), Decimal(str(value))) for text, value in values.items()]


def expect(values: dict[str, Any]) -> dict[date, Decimal]:
    """Totals by the first day of their month, or by their day."""
    return {date.fromisoformat(text): Decimal(str(value)) for text, value in values.items()}


def _make_daily() -> dict[str, int]:
    """4,000 on 1 September, 7 a day, 107 on the 30th."""
    values = {f"2026-09-{day:02}": 4_000 + 7 * (day - 1) for day in range(1, 31)}
    return values | {"2026-10-01": values["2026-09-30"] + 107}


def _make_quarters(zone: str, first: str, until: str) -> list[Value]:
    """A delta of 1 for each quarter of an hour, of 9 at local midnights, both ends included."""
    at, end = local(first, zone), local(until, zone)
    readings = []
    while at <= end:
        clock = at.astimezone(ZoneInfo(zone))
        is_midnight = (clock.hour, clock.minute) == (0, 0)
        readings.append(Value(at, Decimal(9 if is_midnight else 1)))
        at += 15 * MINUTE
    return readings


CASES = {
    "a daily register at midnight, more on the last day": BillingCase(
        Meter("cumulative", interval_s=86_400),
        read_at(_make_daily()),
        expect({"2026-08-01": 0, "2026-09-01": 310}),
        expect({"2026-09-01": 7, "2026-09-30": 107}),
    ),
    "a register read on closing days alone": BillingCase(
        Meter("cumulative"),
        read_at({"2026-07-01": 2_000, "2026-08-01": 2_450, "2026-09-01": 2_600}),
        expect({"2026-06-01": 0, "2026-07-01": 450, "2026-08-01": 150}),
    ),
    "a delta at midnight is what was used before it": BillingCase(
        Meter("delta", interval_s=900),
        _make_quarters(ZONE, "2026-08-31 23:00", "2026-09-01 01:00"),
        expect({"2026-08-01": 4 + 9, "2026-09-01": 4}),
        expect({"2026-08-31": 4 + 9, "2026-09-01": 4}),
    ),
    "a delta a microsecond after midnight is of the new month": BillingCase(
        Meter("delta"),
        [Value(local("2026-09-01") + timedelta(microseconds=1), Decimal(3))],
        expect({"2026-09-01": 3}),
    ),
    "a day of 25 hours has its own midnight": BillingCase(
        Meter("delta", interval_s=900),
        _make_quarters("Europe/Lisbon", "2026-10-25 00:15", "2026-10-26"),
        expect({"2026-10-01": 25 * 4 - 1 + 9}),
        expect({"2026-10-25": 25 * 4 - 1 + 9}),
        zone="Europe/Lisbon",
    ),
    "a day that begins on the half hour, a month on another day": BillingCase(
        Meter("delta", interval_s=900),
        _make_quarters("Asia/Kolkata", "2026-11-14 23:00", "2026-11-15 01:00"),
        expect({"2026-10-15": 4 + 9, "2026-11-15": 4}),
        zone="Asia/Kolkata",
        billing_day=15,
    ),
}


def bill(case: BillingCase) -> tuple[dict[date, Decimal | None], dict[date, Decimal | None]]:
    """Months and days by the pure form."""
    zone = ZoneInfo(case.zone)
    steps = measure(case.readings, case.meter, replacements=case.replacements)
    days = sum_by(steps, lambda at: counted_day(at, zone))
    months = sum_by(steps, lambda at: month_of(counted_day(at, zone), case.billing_day))
    return _list_totals(months.items()), _list_totals(days.items())


def _list_totals(rows: Iterable[tuple[date, Any]]) -> dict[date, Decimal | None]:
    return {key: of.total for key, of in rows}
