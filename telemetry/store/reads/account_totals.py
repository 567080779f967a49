"""What pages and reports read of several devices: comparisons, totals of an account, the largest.

Every query names the account first and reads nothing of another one. Periods are half open, and
they and rows are bounded (`bounds.py`). Values are as of the last refresh. Rows are by the unit
that devices had then; those without a unit are one group.
"""

from collections.abc import Collection, Sequence
from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import LiteralString

from msgspec import Struct

from telemetry.store.db.sql import Queries
from telemetry.store.reads.bounds import (
    LONGEST_DAYS,
    PeriodError,
    check_days,
    check_instants,
    fetch_rows,
)


class Sql(Queries):
    compare_devices: LiteralString
    account_days: LiteralString
    account_months: LiteralString
    hours_of_account: LiteralString
    top_consumers: LiteralString
    parts_of_devices: LiteralString


MOST_DEVICES = 100
LONGEST_ACCOUNT_HOURS = timedelta(days=2)
LONGEST_ACCOUNT_DAYS = timedelta(days=93)
LONGEST_ACCOUNT_MONTHS = timedelta(days=1_830)
"""An account's devices are all read: fewer days than for one device. Measured with 10,000 devices:
93 days take half a second, a month 0.2 s, 24 billing months 0.3 s."""


class DevicePeriod(Struct, frozen=True):
    """A device over a period, in its unit.

    `total`: consumption, None for gauges. `mean` is that of the readings; without readings it,
    `minimum` and `maximum` are None.
    """

    device_id: int
    unit: str
    total: Decimal | None
    mean: Decimal | None
    minimum: Decimal | None
    maximum: Decimal | None
    readings_count: int


class AccountTotal(Struct, frozen=True):
    """What all devices of an account with one unit consumed in a local day or billing month.

    `start`: the day, or the first day of the month. Gauges are left out.
    """

    start: date
    unit: str
    total: Decimal
    devices_count: int
    readings_count: int


class Consumer(Struct, frozen=True):
    """A device's consumption. `share`: of all devices of the account with the unit, 0 to 1; None
    when they consumed nothing."""

    device_id: int
    total: Decimal
    share: Decimal | None


def compare_devices(
    account_id: int, *, device_ids: Collection[int], first: date, until: date
) -> list[DevicePeriod]:
    """One row for each device with readings in the local days [first, until), by device id.

    At most 100 devices and 1,830 days: raises `PeriodError`.
    """
    check_days(first, until, longest=LONGEST_DAYS)
    devices = sorted(set(device_ids))
    if len(devices) > MOST_DEVICES:
        raise PeriodError(f"device_ids: {len(devices)} devices: expected at most {MOST_DEVICES}")
    parameters = {"account": account_id, "devices": devices, "first": first, "until": until}
    return [DevicePeriod(*row) for row in fetch_rows(Sql.compare_devices, parameters)]


def read_account_days(account_id: int, *, first: date, until: date) -> list[AccountTotal]:
    """The local days [first, until), at most 93, by day and unit. Raises `PeriodError`.

    At most `MOST_ROWS`, the earliest.
    """
    check_days(first, until, longest=LONGEST_ACCOUNT_DAYS)
    parameters = {"account": account_id, "first": first, "until": until}
    return [AccountTotal(*row) for row in fetch_rows(Sql.account_days, parameters)]


def read_account_months(account_id: int, *, first: date, until: date) -> list[AccountTotal]:
    """The billing months that begin in [first, until), at most 1,830 days, by month and unit.

    Closed months have the totals that were billed. At most `MOST_ROWS`, the earliest. Raises
    `PeriodError`.
    """
    check_days(first, until, longest=LONGEST_ACCOUNT_MONTHS)
    parameters = {"account": account_id, "first": first, "until": until}
    return [AccountTotal(*row) for row in fetch_rows(Sql.account_months, parameters)]


class HourSpan(Struct, frozen=True):
    """Whole UTC hours that begin in [since, until), and the local days `first` and `last` that they
    touch."""

    since: datetime
    until: datetime
    first: date
    last: date


def read_account_hours(account_id: int, *, spans: Sequence[HourSpan]) -> list[dict[str, Decimal]]:
    """What all devices consumed in each of the spans, by unit; at most 2 days each. Raises
    `PeriodError`."""
    for span in spans:
        check_instants(span.since, span.until, longest=LONGEST_ACCOUNT_HOURS)
    parameters = {
        "account": account_id,
        "sinces": [span.since for span in spans],
        "untils": [span.until for span in spans],
        "firsts": [span.first for span in spans],
        "lasts": [span.last for span in spans],
    }
    totals: list[dict[str, Decimal]] = [{} for _ in spans]
    for number, unit, total in fetch_rows(Sql.hours_of_account, parameters) if spans else []:
        totals[number - 1][unit] = total
    return totals


class Parts(Struct, frozen=True):
    """What some devices consumed: in a period, in its first part, and in another period. None where
    nothing is known."""

    total: Decimal | None
    part: Decimal | None
    other: Decimal | None


def read_parts(
    account_id: int,
    *,
    device_ids: Collection[int],
    unit: str,
    period: tuple[date, date],
    part_until: date,
    other: tuple[date, date],
) -> Parts:
    """In a unit, of the local days [first, until) of both periods, at most 93 each. Raises
    `PeriodError`."""
    for first, until in (period, other):
        check_days(first, until, longest=LONGEST_ACCOUNT_DAYS)
    parameters = {
        "account": account_id, "devices": sorted(set(device_ids)), "unit": unit,
        "first": period[0], "until": period[1], "part": part_until, "other": other[0],
        "other_until": other[1],
    }  # fmt: skip
    [row] = fetch_rows(Sql.parts_of_devices, parameters)
    return Parts(*row)


def find_top_consumers(
    account_id: int,
    *,
    unit: str,
    first: date,
    until: date,
    most: int = 10,
    device_ids: Collection[int] | None = None,
) -> list[Consumer]:
    """The `most` (at most 100) devices with this unit that consumed most in the local days
    [first, until), at most 93; largest first, then by id. Raises `PeriodError`.

    With `device_ids`: of these, and shares are of what these consumed.
    """
    check_days(first, until, longest=LONGEST_ACCOUNT_DAYS)
    devices = None if device_ids is None else sorted(set(device_ids))
    parameters = {
        "account": account_id, "unit": unit, "first": first, "until": until, "devices": devices,
    }  # fmt: skip
    rows = fetch_rows(Sql.top_consumers, {**parameters, "rows": min(most, MOST_DEVICES)})
    return [Consumer(*row) for row in rows]
