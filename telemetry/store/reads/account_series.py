"""What charts draw of many devices together: the groups of an account, by local day or UTC hour.

Every query names the account first and reads nothing of another one. Periods are half open, and
they and rows are bounded (`bounds.py`). Values are as of the last refresh.
"""

from collections.abc import Collection
from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import Any, LiteralString

from msgspec import Struct

from telemetry.store.db.sql import Queries
from telemetry.store.reads.account_totals import LONGEST_ACCOUNT_DAYS, MOST_DEVICES
from telemetry.store.reads.bounds import PeriodError, check_days, check_instants, fetch_rows


class Sql(Queries):
    group_days: LiteralString
    group_hours: LiteralString
    sum_groups: LiteralString


LONGEST_GROUP_HOURS = timedelta(days=9)
MOST_GROUPS = 6
"""Groups that are told apart; what is beyond is one."""


class GroupSample(Struct, frozen=True):
    """A group in a local day or in a UTC hour. `name`: empty for devices without a group, None for
    the groups that are not told apart. `devices_count`: in the whole period; `reporting_count`: of
    them, those of which the day or the hour is known."""

    name: str | None
    devices_count: int
    start: datetime | date
    total: Decimal
    estimated: Decimal
    reporting_count: int


def read_group_days(
    account_id: int,
    *,
    unit: str,
    first: date,
    until: date,
    device_ids: Collection[int] | None = None,
    without: Collection[int] = (),
    names: Collection[str] | None = None,
) -> list[GroupSample]:
    """Local days [first, until), at most 93, of all devices with the unit, or of some, but not of
    those in `without`. Raises `PeriodError`.

    The six groups that consumed most are told apart, or those that `names` has.
    """
    check_days(first, until, longest=LONGEST_ACCOUNT_DAYS)
    parameters = {
        "account": account_id, "unit": unit, "since": first, "until": until,
        "devices": None if device_ids is None else sorted(set(device_ids)),
        "without": sorted(set(without)), "names": None if names is None else list(names),
    }  # fmt: skip
    return _fetch(Sql.group_days, parameters)


def read_group_hours(
    account_id: int, *, device_ids: Collection[int], since: datetime, until: datetime
) -> list[GroupSample]:
    """UTC hours that begin in the period, of at most 100 devices. Raises `PeriodError`."""
    check_instants(since, until, longest=LONGEST_GROUP_HOURS)
    devices = sorted(set(device_ids))
    if len(devices) > MOST_DEVICES:
        raise PeriodError(f"device_ids: {len(devices)} devices: expected at most {MOST_DEVICES}")
    parameters = {
        "account": account_id, "devices": devices, "since": since, "until": until, "names": None,
    }  # fmt: skip
    return _fetch(Sql.group_hours, parameters)


def _fetch(lines: LiteralString, parameters: dict[str, Any]) -> list[GroupSample]:
    parameters = {**parameters, "most": MOST_GROUPS}
    return [GroupSample(*row) for row in fetch_rows(lines + Sql.sum_groups, parameters)]
