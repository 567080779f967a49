"""What an account's readings show beside their sums: how complete they are, and which devices are
not as usual."""

from collections.abc import Sequence
from datetime import date, timedelta
from decimal import Decimal
from typing import LiteralString

from msgspec import Struct

from telemetry.store.db.sql import Queries
from telemetry.store.reads.bounds import fetch_rows


class Sql(Queries):
    account_signs: LiteralString


COMPLETE = Decimal("0.99")
"""The share of the expected readings from which on a month is called complete."""
WHOLE = Decimal("0.9")
"""A month that misses more than the rest of its readings is no month to compare with."""
WEEK = timedelta(days=7)
WEEKS_BEFORE = 4
LEAST_CHANGE = Decimal("0.05")
"""Smaller changes are usual."""


class Completeness(Struct, frozen=True):
    """Active devices, those with readings in the month, and how much of what was expected of these
    came, up to now. `estimated_count`: devices with estimates; `unseen_count`: devices of gateways
    that never sent. `partial_before_count`: devices that miss more than a tenth of the month
    before, and `partial_before_units` what they measure."""

    devices_count: int
    reporting_count: int
    coverage: Decimal | None
    estimated_count: int
    unseen_count: int
    partial_before_count: int
    partial_before_units: Sequence[str]

    @property
    def is_complete(self) -> bool:
        """Whether nothing is missing or estimated that would change what somebody decides."""
        return (
            self.reporting_count == self.devices_count
            and (self.coverage or Decimal()) >= COMPLETE
            and not self.estimated_count
        )


class WeekChange(Struct, frozen=True):
    """A device in seven days, and what is usual for it: the means of the same weekdays of the four
    weeks before."""

    device_id: int
    unit: str
    consumed: Decimal
    usual: Decimal


class Signs(Struct, frozen=True):
    """Of a month, and of the seven days before a day: devices that changed by 5% or more, the
    largest share of change first."""

    completeness: Completeness
    changes: Sequence[WeekChange]


def read_signs(
    account_id: int, *, month: date, month_before: date, until: date, most: int
) -> Signs:
    """Of the billing months that begin on these days, and of the seven local days before `until`;
    at most so many changes. As of the last refresh."""
    parameters = {
        "account": account_id, "month": month, "month_before": month_before, "whole": WHOLE,
        "first": until - WEEK, "until": until,
        "before": until - (1 + WEEKS_BEFORE) * WEEK, "least": LEAST_CHANGE, "most": most,
    }  # fmt: skip
    rows = fetch_rows(Sql.account_signs, parameters)
    changes = [WeekChange(*row[7:]) for row in rows if row[7] is not None]
    return Signs(Completeness(*rows[0][:7]), changes)
