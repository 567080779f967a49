"""Hours, days and months of many devices of an account, page by page, by device and time.

As in `account_totals`: nothing of another account, bounded periods, values as of the last refresh.
Devices are read in steps of as many as fill a page, so that a page reads little more than it gives.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from decimal import Decimal
from typing import Any, Generic, LiteralString, NamedTuple, TypeVar

from telemetry.store.db.sql import Queries
from telemetry.store.reads.bounds import (
    LONGEST_DAYS,
    LONGEST_HOURS,
    LONGEST_MONTHS,
    check_days,
    check_instants,
    fetch_rows,
)


class Sql(Queries):
    page_hours: LiteralString
    page_days: LiteralString
    page_months: LiteralString


MOST_DEVICES_A_STEP = 64
GROWTH = 4


Row = TypeVar("Row")
Key = tuple[int, Any]
"""A device and its hour, day or month: the last one of the page before."""


class Aggregate(NamedTuple):
    """A device in one UTC hour or local day. `total` is None for gauges; `estimated` is what of it
    comes from gaps. Without readings there is no mean, least, most, first and last."""

    device_id: int
    start: Any
    total: Decimal | None
    estimated: Decimal
    mean: Decimal | None
    minimum: Decimal | None
    maximum: Decimal | None
    first: Decimal | None
    last: Decimal | None
    readings_count: int


class Month(NamedTuple):
    """A device's billing month. Once it is closed, nothing in it changes any more. `adjustment` is
    what was billed with it of earlier closed months."""

    device_id: int
    month: date
    month_end: date
    state: str
    unit: str
    total: Decimal | None
    estimated: Decimal
    daily_mean: Decimal | None
    reading_mean: Decimal
    minimum: Decimal | None
    maximum: Decimal | None
    first: Decimal | None
    last: Decimal | None
    readings_count: int
    coverage: Decimal | None
    adjustment: Decimal


@dataclass(frozen=True)
class Series(Generic[Row]):
    """What is read page by page. `longest`: the longest period. `hours_each`: at the least, between
    two rows of a device."""

    statement: str
    make: Callable[..., Row]
    check: Callable[..., None]
    longest: timedelta
    hours_each: int


HOURS = Series(Sql.page_hours, Aggregate, check_instants, LONGEST_HOURS, 1)
"""UTC hours that begin in [since, until), which are instants."""
DAYS = Series(Sql.page_days, Aggregate, check_days, LONGEST_DAYS, 24)
"""Local days in [since, until), which are days."""
MONTHS = Series(Sql.page_months, Month, check_days, LONGEST_MONTHS, 24 * 28)
"""Billing months that begin in [since, until), which are days."""


def read_page(
    series: Series[Row],
    account_id: int,
    *,
    device_ids: Sequence[int],
    since: Any,
    until: Any,
    rows: int,
    after: Key | None = None,
) -> list[Row]:
    """The next rows after a key, up to the limit; fewer only at the end. Raises `PeriodError`."""
    series.check(since, until, longest=series.longest)
    device_id, at = after or (0, since)
    left = [wanted for wanted in device_ids if wanted >= device_id]
    most_each = max(1, (until - since) // timedelta(hours=series.hours_each))
    step = min(rows // most_each + 1, MOST_DEVICES_A_STEP)
    page: list[Row] = []
    while left and len(page) < rows:
        parameters = {
            "account": account_id, "devices": left[:step], "since": since, "until": until,
            "device": device_id, "at": at, "rows": rows - len(page),
        }  # fmt: skip
        page += [series.make(*row) for row in fetch_rows(series.statement, parameters)]
        left, step = left[step:], min(step * GROWTH, MOST_DEVICES_A_STEP)
    return page
