"""A report as a table of lines by months, with the total of each line and, by unit, of each month.
Pure."""

from collections.abc import Sequence
from datetime import date
from decimal import Decimal

from msgspec import Struct

from telemetry.models import Account
from telemetry.reporting.columns import name_line
from telemetry.store.billing.monthly_report import Grouping, ReportRow
from telemetry.web.formatting import choose_places

MOST_MONTHS = 13


class PivotMonth(Struct, frozen=True):
    """A column; `is_closed`: all of its lines are."""

    month: date
    is_closed: bool


class PivotLine(Struct, frozen=True):
    """A row: what is billed in each month (None: nothing was read), and in all. `heights` are those
    of its bars, in percent of the largest."""

    key: str
    name: str
    unit: str
    places: int
    values: tuple[Decimal | None, ...]
    total: Decimal
    heights: tuple[int, ...]


class Pivot(Struct, frozen=True):
    """The table: lines in the order of the report, and the sums of each unit."""

    months: tuple[PivotMonth, ...]
    lines: tuple[PivotLine, ...]
    sums: tuple[PivotLine, ...]


def make_pivot(rows: Sequence[ReportRow], *, grouping: Grouping, account: Account) -> Pivot | None:
    """Of all rows of a report of at most 13 months; None where it has more, or one only."""
    months = sorted({row.month for row in rows})
    if not 1 < len(months) <= MOST_MONTHS:
        return None
    closed = dict.fromkeys(months, True)
    names: dict[tuple[str, str], str] = {}
    by_line: dict[tuple[str, str], dict[date, Decimal]] = {}
    by_unit: dict[str, dict[date, Decimal]] = {}
    for row in rows:
        closed[row.month] &= row.state == "closed"
        line = (row.key, row.unit)
        names.setdefault(line, name_line(row.label, grouping=grouping, account=account.name))
        by_line.setdefault(line, {})[row.month] = row.billed_total
        sums = by_unit.setdefault(row.unit, {})
        sums[row.month] = sums.get(row.month, Decimal()) + row.billed_total
    most = {unit: max(map(abs, sums.values())) for unit, sums in by_unit.items()}
    places = {unit: choose_places(value, unit=unit) for unit, value in most.items()}

    def make(key: str, name: str, unit: str, of: dict[date, Decimal]) -> PivotLine:
        largest = max(of.values())
        values = tuple(of.get(month) for month in months)
        heights = tuple(
            round(100 * max(value or 0, 0) / largest) if largest > 0 else 0 for value in values
        )
        return PivotLine(
            key, name, unit, places[unit], values, sum(of.values(), Decimal()), heights
        )

    return Pivot(
        tuple(PivotMonth(month, closed[month]) for month in months),
        tuple(make(key, names[key, unit], unit, of) for (key, unit), of in by_line.items()),
        tuple(make("", "", unit, of) for unit, of in by_unit.items()),
    )
