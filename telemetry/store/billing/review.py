"""A billing month as it is looked at before it is closed: each device beside the month before."""

from collections.abc import Iterable
from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import Any, LiteralString

from django.db import connection
from msgspec import Struct

from telemetry.store.db.sql import Queries


class Sql(Queries):
    month_lines: LiteralString
    month_list: LiteralString


MOST_MONTHS = 60


class MonthLine(Struct, frozen=True):
    """A device in a month. `opening`: its register when the month began, as far as it is known;
    `before`: its consumption in the month before. `total` is None where it has none.

    `last_at`: the end of its last hour with readings, up to the month's end; None without any.
    """

    device_id: int
    gateway_id: int | None
    gateway_code: str
    code: str
    name: str
    measurement: str
    unit: str
    interval_s: int | None
    is_active: bool
    total: Decimal | None
    before: Decimal | None
    opening: Decimal | None
    closing: Decimal | None
    coverage: Decimal | None
    estimated: Decimal | None
    readings_count: int
    last_at: datetime | None
    quality: list[str]

    @property
    def estimated_share(self) -> Decimal | None:
        """The estimated part of the total, 0 to 1; None where there is no total."""
        return self.estimated / self.total if self.total and self.estimated is not None else None


class UnitSum(Struct):
    """The devices with one unit. Shares are means of the devices, 0 to 1."""

    unit: str
    devices: int = 0
    total: Decimal = Decimal()
    before: Decimal = Decimal()
    coverage: Decimal | None = None
    estimated: Decimal = Decimal()

    @property
    def estimated_share(self) -> Decimal | None:
        """The estimated part of the total; None where there is no total."""
        return self.estimated / self.total if self.total else None


class MonthSummary(Struct, frozen=True):
    """A month in the list. `totals`: by unit. `adjustments`: lines since it was closed."""

    month: date
    month_end: date
    is_closed: bool
    devices: int
    units: list[str]
    totals: list[Decimal]
    adjustments: int

    @property
    def pairs(self) -> list[tuple[str, Decimal]]:
        """Each unit with its total."""
        return list(zip(self.units, self.totals, strict=True))


def read_month_lines(account_id: int, *, month: date, until: datetime) -> list[MonthLine]:
    """Every device that has something in the month or the one before, by gateway and code.

    `until`: the month's end, or now while it is under way. One query.
    """
    parameters: dict[str, Any] = {
        "account": account_id,
        "month": month,
        "until": until,
        "since": until.date() - timedelta(days=62),
        "last": until.date() + timedelta(days=2),
    }
    with connection.cursor() as cursor:
        cursor.execute(Sql.month_lines, parameters)
        return [MonthLine(*row) for row in cursor.fetchall()]


def sum_lines(lines: Iterable[MonthLine]) -> list[UnitSum]:
    """By unit; gauges consume nothing and are left out."""
    sums: dict[str, UnitSum] = {}
    shares: dict[str, list[Decimal]] = {}
    for line in lines:
        if line.measurement == "gauge":
            continue
        of = sums.setdefault(line.unit, UnitSum(line.unit))
        of.devices += 1
        of.total += line.total or 0
        of.before += line.before or 0
        shares.setdefault(line.unit, []).append(line.coverage or Decimal())
        of.estimated += line.estimated or 0
    for unit, of in sums.items():
        of.coverage = sum(shares[unit], Decimal()) / len(shares[unit])
    return [sums[unit] for unit in sorted(sums)]


def list_months(account_id: int) -> list[MonthSummary]:
    """The newest 60 months with something in them."""
    with connection.cursor() as cursor:
        cursor.execute(Sql.month_list, {"account": account_id, "most": MOST_MONTHS})
        return [MonthSummary(*row) for row in cursor.fetchall()]
