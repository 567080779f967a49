"""Situations with their right bill, tried on the pure form and on SQL."""

from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

from msgspec import Struct

from telemetry.core.consumption import (
    Consumption,
    Meter,
    Value,
    consume_by,
    counted_day,
    measure,
    month_of,
    next_month,
    start_of,
)
from tests.consumption import Replacement, install

ZONE = "America/Sao_Paulo"
MINUTE = timedelta(minutes=1)


class BillingCase(Struct, frozen=True):
    """A device and what its account's months come to. `days`: some of its days. `estimated`: what
    of its months is; `cases`: what someone should look at."""

    meter: Meter
    readings: list[Value]
    months: dict[date, Decimal]
    days: dict[date, Decimal] = {}
    estimated: dict[date, Decimal] = {}
    cases: tuple[str, ...] = ()
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


def read_hourly(*values: Any, first: str = "2026-09-10 08:00") -> list[Value]:
    """A reading each hour."""
    at = local(first)
    return [
        Value(at + number * 60 * MINUTE, Decimal(str(value))) for number, value in enumerate(values)
    ]


def exchange(text: str, old: Any, new: Any, meter: Meter | None = None) -> list[Replacement]:
    """A change of the meter, by the clock of the zone."""
    old, new = (None if one is None else Decimal(str(one)) for one in (old, new))
    return [Replacement(local(text), old, new, meter)]


FORTY = Decimal(40)


SEPTEMBER = date(2026, 9, 1)


def _count(
    *values: Any, total: Any, modulus: Any = None, cases: tuple[str, ...] = ()
) -> BillingCase:
    """Readings of a register, one an hour, on one day of September."""
    meter = Meter("cumulative", modulus=None if modulus is None else Decimal(modulus))
    expected = Decimal(str(total))
    return BillingCase(
        meter, read_hourly(*values), {SEPTEMBER: expected}, {date(2026, 9, 10): expected},
        cases=cases,
    )  # fmt: skip


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
        expect({"2026-07-01": "14.5161", "2026-07-31": "14.5162"}),
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
    "a rollover": _count(65_500, 12, total=48, modulus=65_536),
    "a fall below the upper tenth is no rollover": _count(
        700, 0, 4, total=4, modulus=65_536, cases=("reset",)
    ),
    "a zero that goes, with a modulus": _count(
        2_000, 0, 2_015, total=15, modulus=1_000_000, cases=("dip",)
    ),
    "a zero that goes, of a counter that is nearly full": _count(
        4_200_000_000, 0, 4_200_000_007, total=7, modulus=2**32, cases=("dip",)
    ),
    "zeros that go": _count(2_000, 0, 0, 2_015, total=15, cases=("dip",)),
    "three zeros that go": _count(2_000, 0, 0, 0, 2_015, total=15, cases=("dip",)),
    "four zeros that go": _count(2_000, 0, 0, 0, 0, 2_015, total=2_015, cases=("reset",)),
    "a spike": _count(300, 300_400, 303, total=3, cases=("spike",)),
    "a spike of two readings": _count(300, 300_400, 300_400, 303, total=3, cases=("spike",)),
    "a dip and a spike between two readings": _count(
        2_000, 0, 90_000, 2_015, total=15, cases=("dip",)
    ),
    "zeros every other time": _count(2_000, 0, 2_015, 0, 2_020, total=20, cases=("dip", "dip")),
    "a small fall": _count("20.0", "19.9", "20.3", total="0.3"),
    "a small fall that takes its time": _count(
        "100", "99.5", "99.6", "99.7", "99.8", "99.9", "100", "100.5", total="0.5"
    ),
    "a fall to exactly 99 in 100": _count(100, 99, 101, total=1),
    "a fall by more, which stays": _count(100, "98.9", "98.9", total="98.9", cases=("reset",)),
    "a new cycle from zero": _count(500, 3, 4, total=4, cases=("reset",)),
    "an exchange": BillingCase(
        Meter("cumulative"),
        read_at({"2026-09-10 09:00": 7_000, "2026-09-10 10:00": 7_010, "2026-09-10 12:00": 3}),
        expect({"2026-09-01": 13}),
        replacements=exchange("2026-09-10 10:00", 7_010, 0),
    ),
    "an exchange at a reading of the new register": BillingCase(
        Meter("cumulative"),
        read_at({"2026-09-10 09:00": 100, "2026-09-10 10:00": 5, "2026-09-10 11:00": 6}),
        expect({"2026-09-01": 2}),
        replacements=exchange("2026-09-10 10:00", 101, 5),
    ),
    "an exchange on the last day": BillingCase(
        Meter("cumulative", interval_s=86_400),
        read_at({"2026-09-30": 7_000, "2026-10-02": 4}),
        expect({"2026-09-01": 15, "2026-10-01": 4}),
        replacements=exchange("2026-09-30 20:00", 7_015, 0),
    ),
    "an exchange after a rollover": BillingCase(
        Meter("cumulative", modulus=Decimal(10_000)),
        read_at({"2026-09-10 09:00": 9_990, "2026-09-10 11:00": 3}),
        expect({"2026-09-01": 18}),
        replacements=exchange("2026-09-10 10:00", 5, 0),
    ),
    "two exchanges in a gap": BillingCase(
        Meter("cumulative"),
        read_at({"2026-09-10 09:00": 100, "2026-09-10 14:00": 2}),
        expect({"2026-09-01": 15}),
        replacements=[*exchange("2026-09-10 10:00", 110, 0), *exchange("2026-09-10 11:00", 4, 1)],
    ),
    "a factor from an instant on": BillingCase(
        Meter("cumulative", interval_s=86_400),
        read_at({"2026-09-10": 100, "2026-09-11": 110, "2026-09-12": 120}),
        expect({"2026-09-01": 410}),
        expect({"2026-09-10": 10, "2026-09-11": 400}),
        replacements=exchange(
            "2026-09-11", 110, 110, Meter("cumulative", interval_s=86_400, factor=FORTY)
        ),
    ),
    "a factor from within an hour on, of deltas": BillingCase(
        Meter("delta", interval_s=900),
        read_at({"2026-09-10 10:15": 1, "2026-09-10 10:30": 2, "2026-09-10 10:45": 3}),
        expect({"2026-09-01": "4.5"}),
        replacements=exchange(
            "2026-09-10 10:30", None, None, Meter("delta", interval_s=900, factor=Decimal("0.5"))
        ),
    ),
    "a meter with another modulus and factor": BillingCase(
        Meter("cumulative", modulus=Decimal(10_000), factor=Decimal(2)),
        read_at({"2026-09-10 09:00": 9_990, "2026-09-10 11:00": 95, "2026-09-10 12:00": 3}),
        expect({"2026-09-01": 2 * (10 + 5) + 40 * (5 + 8)}),
        replacements=exchange(
            "2026-09-10 10:00", 5, 90, Meter("cumulative", modulus=Decimal(100), factor=FORTY)
        ),
    ),
    "a meter of deltas after a register": BillingCase(
        Meter("cumulative"),
        read_at({"2026-09-10 09:00": 100, "2026-09-10 10:30": 4, "2026-09-10 11:00": 5}),
        expect({"2026-09-01": 3 + 4 + 5}),
        replacements=exchange("2026-09-10 10:00", 103, None, Meter("delta")),
    ),
    "a register after a meter of deltas": BillingCase(
        Meter("delta"),
        read_at({"2026-09-10 09:00": 100, "2026-09-10 10:30": 1_004, "2026-09-10 11:00": 1_005}),
        expect({"2026-09-01": 100 + 5}),
        replacements=exchange("2026-09-10 10:00", None, 1_000, Meter("cumulative")),
    ),
    "a gauge between two registers": BillingCase(
        Meter("cumulative"),
        read_at({"2026-09-10 09:00": 100, "2026-09-10 10:30": 21, "2026-09-12 11:00": 1_005}),
        expect({"2026-09-01": 3 + 5}),
        replacements=[
            *exchange("2026-09-10 10:00", 103, None, Meter("gauge")),
            *exchange("2026-09-12 10:00", None, 1_000, Meter("cumulative")),
        ],
    ),
    "a net register that is fed": BillingCase(
        Meter("cumulative", is_net=True, factor=FORTY),
        read_hourly(100, 110, 90, 90, "90.5", 2, 5),
        expect({"2026-09-01": 40 * (5 - 100)}),
        expect({"2026-09-10": 40 * (5 - 100)}),
    ),
    "a net register with a gap over the end of a month": BillingCase(
        Meter("cumulative", is_net=True),
        read_at({"2026-10-30": 140, "2026-11-03": 100}),
        expect({"2026-10-01": -20, "2026-11-01": -20}),
        expect({"2026-10-30": -10, "2026-11-02": -10}),
        expect({"2026-10-01": -20, "2026-11-01": -20}),
    ),
    "a net meter in the place of one that counts forwards": BillingCase(
        Meter("cumulative"),
        read_at({"2026-09-10 09:00": 100, "2026-09-10 11:00": 45, "2026-09-10 12:00": 44}),
        expect({"2026-09-01": 3 - 6}),
        replacements=exchange("2026-09-10 10:00", 103, 50, Meter("cumulative", is_net=True)),
    ),
    "a factor with decimals": BillingCase(
        Meter("cumulative", factor=Decimal("0.3333")),
        read_hourly("1.0", "1.1", "1.2", "1.3"),
        expect({"2026-09-01": "0.1000"}),  # 0.4333 less 0.3333
    ),
    "a gap over the end of a month": BillingCase(
        Meter("cumulative"),
        read_at({"2026-10-30": 100, "2026-11-03": 140}),
        expect({"2026-10-01": 20, "2026-11-01": 20}),
        expect({"2026-10-30": 10, "2026-11-02": 10}),
        expect({"2026-10-01": 20, "2026-11-01": 20}),
    ),
    "a delta after a gap over midnight": BillingCase(
        Meter("delta", interval_s=900),
        read_at({"2026-08-31 21:00": 1, "2026-09-01 03:00": 9}),
        expect({"2026-08-01": "5.5", "2026-09-01": "4.5"}),
        estimated=expect({"2026-08-01": "4.5", "2026-09-01": "4.5"}),
    ),
}


def bill(
    case: BillingCase, *, is_spread: bool = True
) -> tuple[dict[date, Consumption], dict[date, Consumption]]:
    """Months and days by the pure form."""
    zone = ZoneInfo(case.zone)
    steps = measure(case.readings, install(case.meter, case.replacements), is_spread=is_spread)

    def month_of_instant(at: datetime) -> date:
        return month_of(counted_day(at, zone), case.billing_day)

    months = consume_by(
        steps, month_of_instant,
        bounds=lambda month: (
            start_of(month, zone), start_of(next_month(month, case.billing_day), zone)
        ),
    )  # fmt: skip
    days = consume_by(
        steps, lambda at: counted_day(at, zone),
        bounds=lambda day: (start_of(day, zone), start_of(day + timedelta(days=1), zone)),
    )  # fmt: skip
    return months, days
