"""A report as lines by months."""

from datetime import date
from decimal import Decimal
from typing import Any

from telemetry.models import Account
from telemetry.store.billing.monthly_report import Grouping, ReportRow
from telemetry.web.reports.pivot import MOST_MONTHS, make_pivot

MONTHS = [date(2026, month, 1) for month in (9, 10, 11, 12)]


def row(month: int, key: str, total: int, *, unit: str = "kWh", state: str = "open") -> ReportRow:
    value = Decimal(total)
    return ReportRow(
        MONTHS[month], MONTHS[month + 1], key, f"Line {key}", unit, 1, value, Decimal(), value,
        Decimal(), 1, None, state,
    )  # fmt: skip


def test_it_adds_up_lines_and_months_and_never_units() -> None:
    rows = [
        row(0, "1", 100, state="closed"), row(0, "2", 7, unit="m³", state="closed"),
        row(1, "1", 300), row(1, "3", 50), row(1, "2", 9, unit="m³"),
    ]  # fmt: skip

    pivot = make_pivot(rows, grouping=Grouping.DEVICE, account=Account(name="A"))

    assert pivot is not None
    assert [(one.month, one.is_closed) for one in pivot.months] == [
        (MONTHS[0], True), (MONTHS[1], False),
    ]  # fmt: skip
    lines: Any = {line.key: (line.values, line.total) for line in pivot.lines}
    sums: Any = {line.unit: (line.values, line.total) for line in pivot.sums}
    assert lines == {"1": ((100, 300), 400), "2": ((7, 9), 16), "3": ((None, 50), 50)}
    assert sums == {"kWh": ((100, 350), 450), "m³": ((7, 9), 16)}
    assert next(line.heights for line in pivot.lines if line.key == "1") == (33, 100)


def test_it_makes_no_table_of_one_month_or_of_too_many() -> None:
    account = Account(name="A")
    many = [row(0, "1", 1)] * 2
    assert make_pivot(many, grouping=Grouping.DEVICE, account=account) is None
    first = date(2025, 1, 1)
    months = [
        date(first.year + number // 12, number % 12 + 1, 1) for number in range(MOST_MONTHS + 1)
    ]
    long = [
        ReportRow(
            month, month, "1", "", "kWh", 1, Decimal(1), Decimal(), Decimal(1), Decimal(), 1, None,
            "open",
        )
        for month in months
    ]  # fmt: skip
    assert make_pivot(long, grouping=Grouping.DEVICE, account=account) is None
