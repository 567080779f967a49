"""Consumption by billing month for reports: one query for page, files and e-mails.

Nothing of another account; bounded months; rows stream from the server. Values are those of
`billed_month`, summed over the devices of a group, units apart: closed months never change.
"""

from collections.abc import Iterator
from datetime import date, timedelta
from decimal import Decimal
from enum import StrEnum
from typing import Any, LiteralString

from django.db import connection, transaction
from msgspec import Struct

from telemetry.store.db.sql import Queries
from telemetry.store.reads.bounds import check_days


class Sql(Queries):
    report_months: LiteralString


LONGEST = timedelta(days=1_860)  # sixty billing months
CHUNK = 1_000


class Grouping(StrEnum):
    """What a line of a report is about."""

    DEVICE = "device"
    GROUP = "group"
    GATEWAY = "gateway"
    KIND = "kind"
    ACCOUNT = "account"


class ReportQuestion(Struct, frozen=True):
    """Billing months that begin in [first, until), at most sixty; None: all of them."""

    account_id: int
    first: date
    until: date
    grouping: Grouping = Grouping.DEVICE
    device_ids: tuple[int, ...] | None = None
    gateway_ids: tuple[int, ...] | None = None
    groups: tuple[str, ...] | None = None


class ReportRow(Struct, frozen=True):
    """A group of devices with one unit in a billing month [month, month_end).

    `total` is what was consumed, `adjustments` what is billed with this month of earlier, closed
    ones; both together are `billed_total`. `daily_mean`: by local days that have begun.
    `coverage`: mean of the devices, 0 to 1. `state`: open or closed.
    """

    month: date
    month_end: date
    key: str
    label: str
    unit: str
    devices_count: int
    total: Decimal
    adjustments: Decimal
    billed_total: Decimal
    daily_mean: Decimal
    readings_count: int
    coverage: Decimal | None
    state: str

    @property
    def last_day(self) -> date:
        """The last local day of the month."""
        return self.month_end - timedelta(days=1)


class ReportSum(Struct, frozen=True):
    """All lines of a report with one unit."""

    unit: str
    total: Decimal
    adjustments: Decimal
    billed_total: Decimal
    readings_count: int
    rows: int


_ORDER = " ORDER BY month, label, key, unit"
_SUMS = """
SELECT unit, sum(total), sum(adjustments), sum(billed_total), sum(readings_count)::bigint, count(*)
FROM ({}) AS rows GROUP BY unit ORDER BY unit
"""
_PAGE_AND_SUMS = """
WITH report AS MATERIALIZED ({})
(SELECT *, false AS is_sum FROM report ORDER BY month, label, key, unit
 LIMIT %(limit)s OFFSET %(offset)s)
UNION ALL
SELECT NULL, NULL, '', '', unit, count(*), sum(total), sum(adjustments), sum(billed_total), NULL,
    sum(readings_count)::bigint, NULL, '', true
FROM report GROUP BY unit
ORDER BY is_sum, month, label, key, unit
"""


def read_page_and_sums(
    question: ReportQuestion, *, offset: int, limit: int
) -> tuple[list[ReportRow], list[ReportSum]]:
    """Some rows, by month and label, and the whole report by unit, from one look. Raises
    `PeriodError`."""
    parameters = {**_bind(question), "limit": limit, "offset": offset}
    page, sums = [], []
    with connection.cursor() as cursor:
        cursor.execute(_PAGE_AND_SUMS.format(Sql.report_months), parameters)
        for *values, is_sum in cursor.fetchall():
            row = ReportRow(*values)
            if is_sum:
                sums.append(
                    ReportSum(
                        row.unit, row.total, row.adjustments, row.billed_total, row.readings_count,
                        row.devices_count,
                    )
                )  # fmt: skip
            else:
                page.append(row)
    return page, sums


def read_page(question: ReportQuestion, *, offset: int, limit: int) -> list[ReportRow]:
    """Some rows, by month and label. Raises `PeriodError`."""
    parameters = _bind(question)
    with connection.cursor() as cursor:
        cursor.execute(
            Sql.report_months + _ORDER + " LIMIT %(limit)s OFFSET %(offset)s",
            {**parameters, "limit": limit, "offset": offset},
        )
        return [ReportRow(*row) for row in cursor.fetchall()]


def read_sums(question: ReportQuestion) -> list[ReportSum]:
    """The whole report by unit. Raises `PeriodError`."""
    parameters = _bind(question)
    with connection.cursor() as cursor:
        cursor.execute(_SUMS.format(Sql.report_months), parameters)
        return [ReportSum(*row) for row in cursor.fetchall()]


def stream_rows(question: ReportQuestion) -> Iterator[ReportRow]:
    """Every row, some at a time from one snapshot. Raises `PeriodError` at the first."""
    parameters = _bind(question)
    with transaction.atomic(), connection.chunked_cursor() as cursor:
        cursor.execute(Sql.report_months + _ORDER, parameters)
        while rows := cursor.fetchmany(CHUNK):
            yield from (ReportRow(*row) for row in rows)


def _bind(question: ReportQuestion) -> dict[str, Any]:
    check_days(question.first, question.until, longest=LONGEST)

    def listed(values: tuple[Any, ...] | None) -> list[Any] | None:
        return None if values is None else list(values)

    return {
        "account": question.account_id,
        "first": question.first,
        "until": question.until,
        "grouping": str(question.grouping),
        "devices": listed(question.device_ids),
        "gateways": listed(question.gateway_ids),
        "groups": listed(question.groups),
    }
