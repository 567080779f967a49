"""Billing months of virtual meters: open ones from their devices' months as they are now, closed
ones as they were written."""

from datetime import date, timedelta
from decimal import Decimal
from itertools import groupby
from typing import Any, LiteralString

import msgspec
from django.db import connection
from msgspec import Struct

from telemetry.core.virtual_meters import Part, Sum, sum_parts
from telemetry.store.db.sql import Queries
from telemetry.store.reads.bounds import check_days


class Sql(Queries):
    parts: LiteralString
    kept_lines: LiteralString
    keep_lines: LiteralString


LONGEST = timedelta(days=1_860)  # sixty billing months
DAY = timedelta(days=1)


class VirtualMonth(Struct, frozen=True):
    """A virtual meter in the billing month [month, month_end). `largest_share`: what may be left of
    what is added; None: any."""

    id: int
    code: str
    name: str
    unit: str
    month: date
    month_end: date
    largest_share: Decimal | None
    parts: list[Part]
    state: str = "open"

    @property
    def sum(self) -> Sum:
        """What its devices come to."""
        return sum_parts(self.parts)

    @property
    def label(self) -> str:
        """Its code and name."""
        return f"{self.code} {self.name}".rstrip()


def read_virtual_months(
    account_id: int, *, first: date, until: date, meter_id: int | None = None
) -> list[VirtualMonth]:
    """The billing months that begin in [first, until), the newest first, by code. Raises
    `PeriodError`."""
    check_days(first, until, longest=LONGEST)
    by_month = _read_closed(account_id, first=first, until=until)
    closed = [line for lines in by_month.values() for line in lines if meter_id in (None, line.id)]
    computed = _compute(account_id, first=first, until=until, meter_id=meter_id)
    months = [*closed, *(line for line in computed if line.month not in by_month)]
    return sorted(months, key=lambda line: (-line.month.toordinal(), line.code))


def keep_virtual_months(account_id: int, *, month: date) -> None:
    """Keep the virtual meters of a month that is being closed, from the lines of its devices."""
    lines = [
        msgspec.structs.replace(line, state="closed")
        for line in _compute(account_id, first=month, until=month + DAY, meter_id=None)
    ]
    parameters: dict[str, Any] = {
        "account": account_id,
        "month": month,
        "lines": msgspec.json.encode(lines).decode(),
    }
    with connection.cursor() as cursor:
        cursor.execute(Sql.keep_lines, parameters)


def _compute(
    account_id: int, *, first: date, until: date, meter_id: int | None
) -> list[VirtualMonth]:
    parameters: dict[str, Any] = {
        "account": account_id,
        "first": first,
        "until": until,
        "meter": meter_id,
    }
    with connection.cursor() as cursor:
        cursor.execute(Sql.parts, parameters)
        rows: list[Any] = cursor.fetchall()
    months = []
    for key, found in groupby(rows, key=lambda row: row[:7]):
        meter, code, name, unit, largest_share, month, month_end = key
        parts = [Part(*row[7:]) for row in found]
        months.append(VirtualMonth(meter, code, name, unit, month, month_end, largest_share, parts))
    return months


def _read_closed(account_id: int, *, first: date, until: date) -> dict[date, list[VirtualMonth]]:
    parameters: dict[str, Any] = {"account": account_id, "first": first, "until": until}
    with connection.cursor() as cursor:
        cursor.execute(Sql.kept_lines, parameters)
        return {
            month: msgspec.json.decode(lines, type=list[VirtualMonth])
            for month, lines in cursor.fetchall()
        }
