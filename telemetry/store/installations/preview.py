"""What a change of the meter would do to the months of a device, before it is entered."""

import json
from collections.abc import Sequence
from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import Any, LiteralString

from django.db import connection
from msgspec import Struct

from telemetry.core.consumption import (
    BillingDays,
    Value,
    consume_by,
    counted_day,
    month_of,
    next_month,
    start_of,
)
from telemetry.core.findings import propose_rate_of
from telemetry.core.installations import Installation, measure_stretch, split_stretches
from telemetry.core.registers import Step
from telemetry.core.zones import Zone, read_zone
from telemetry.store.db.sql import Queries
from telemetry.store.installations.meters import list_meters


class Sql(Queries):
    find_base: LiteralString
    read_values: LiteralString
    read_months: LiteralString
    read_calendar: LiteralString
    month_start: LiteralString
    recent_hours: LiteralString
    horizon: LiteralString


MOST_READINGS = 50_000
HISTORY = timedelta(days=31)
NEIGHBOURS = 4
"""Hours with readings before a change that it can concern: a dip may end in it."""


class MonthEffect(Struct, frozen=True):
    """A billing month that a change would make another one. A closed one stays as it was billed,
    and gets an adjustment of `difference`."""

    month: date
    is_closed: bool
    before: Decimal
    difference: Decimal

    @property
    def after(self) -> Decimal:
        """The live total after it."""
        return self.before + self.difference


class Preview(Struct, frozen=True):
    """The months that differ. `until`: readings after it were not looked at; None: all were."""

    months: list[MonthEffect]
    until: datetime | None


class _Calendar(Struct, frozen=True):
    zone: Zone
    billing: BillingDays
    is_spread: bool


def preview_change(
    account_id: int,
    *,
    device_id: int,
    new: Installation | None = None,
    undone: datetime | None = None,
) -> Preview:
    """The effect of an installation that is entered, or of undoing the one of an instant. It is
    counted twice by the pure form, from the readings around and after it."""
    since = undone or (new.since if new else None)
    assert since is not None
    scope = {"account": account_id, "device": device_id}
    calendar = _read_calendar(account_id)
    with connection.cursor() as cursor:
        cursor.execute(Sql.find_base, {**scope, "since": since, "neighbours": NEIGHBOURS})
        row = cursor.fetchone()
        height = None if row is None else Value(*row)
        cursor.execute(
            Sql.read_values,
            {**scope, "base": height.at if height else None, "most": MOST_READINGS + 1},
        )
        values = [Value(*one) for one in cursor.fetchall()]
        raw: Any = connection.connection
        meters = list_meters(raw, device_id, until=datetime.max.replace(tzinfo=since.tzinfo))
    is_cut = len(values) > MOST_READINGS
    values = values[:MOST_READINGS]
    changed = [one for one in meters if one.since != since or undone is None]
    if new is not None:
        changed = sorted([*changed, new], key=lambda one: (one.since is not None, one.since))
    if is_cut:
        meters, changed = (
            [one for one in of if one.since is None or one.since <= values[-1].at]
            for of in (meters, changed)
        )
    before = _sum_months(_measure(values, meters, height, calendar), calendar)
    after = _sum_months(_measure(values, changed, height, calendar), calendar)
    differences = {
        month: after.get(month, Decimal(0)) - before.get(month, Decimal(0))
        for month in before.keys() | after.keys()
    }
    return Preview(
        _read_months(scope, {month: one for month, one in differences.items() if one}),
        values[-1].at if is_cut else None,
    )


def find_month_start(account_id: int, *, at: datetime) -> datetime:
    """The instant with which the billing month begins, or began, that goes on after `at`."""
    with connection.cursor() as cursor:
        cursor.execute(Sql.month_start, {"account": account_id, "at": at})
        row: Any = cursor.fetchone()
    start: datetime = row[0]
    return start


def propose_largest_rate(account_id: int, *, device_id: int) -> Decimal | None:
    """The largest plausible consumption of an hour, from the last days; None: too few hours."""
    scope: dict[str, Any] = {"account": account_id, "device": device_id, "history": HISTORY}
    with connection.cursor() as cursor:
        cursor.execute(Sql.recent_hours, scope)
        return propose_rate_of(consumed for (consumed,) in cursor.fetchall())


def find_horizon() -> datetime | None:
    """Readings before this instant were dropped; None: none were."""
    with connection.cursor() as cursor:
        cursor.execute(Sql.horizon)
        row = cursor.fetchone()
    return None if row is None else row[0]


def _measure(
    values: list[Value], meters: Sequence[Installation], height: Value | None, calendar: _Calendar
) -> list[Step]:
    return [
        step
        for stretch in split_stretches(values, meters, height=height)
        for step in measure_stretch(stretch, is_spread=calendar.is_spread)
    ]


def _sum_months(steps: list[Step], calendar: _Calendar) -> dict[date, Decimal]:
    zone, billing = calendar.zone, calendar.billing
    months = consume_by(
        steps,
        lambda at: month_of(counted_day(at, zone), billing),
        bounds=lambda month: (start_of(month, zone), start_of(next_month(month, billing), zone)),
    )
    return {month: of.total for month, of in months.items()}


def _read_months(scope: dict[str, int], differences: dict[date, Decimal]) -> list[MonthEffect]:
    with connection.cursor() as cursor:
        cursor.execute(Sql.read_months, {**scope, "months": list(differences)})
        stored = {month: (total, is_closed) for month, total, is_closed in cursor.fetchall()}
    return [
        MonthEffect(month, is_closed, total, difference)
        for month, difference in sorted(differences.items())
        for total, is_closed in [stored.get(month, (Decimal(0), False))]
    ]


def _read_calendar(account_id: int) -> _Calendar:
    with connection.cursor() as cursor:
        cursor.execute(Sql.read_calendar, {"account": account_id})
        row: Any = cursor.fetchone()
    zone, billing_day, earlier, is_spread = row
    rules = tuple((date.fromisoformat(until), day) for until, day in json.loads(earlier))
    return _Calendar(read_zone(zone), BillingDays(billing_day, rules), is_spread)
