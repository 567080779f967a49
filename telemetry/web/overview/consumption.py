"""The cards of consumption: today and this month, beside the same part of the month before."""

from collections import defaultdict
from datetime import date, datetime
from decimal import Decimal
from hashlib import blake2b

from django.core.cache import cache
from msgspec import Struct

from telemetry.store.reads.account_totals import (
    read_account_days,
    read_account_hours,
    read_account_months,
)
from telemetry.web.charts.calendar import DAY, Calendar
from telemetry.web.overview.month_parts import Part, choose_parts

MOST_UNITS = 4
CACHED_S = 120

Totals = dict[str, Decimal]
"""Consumption by unit."""


class Compared(Struct, frozen=True):
    """A card. `total`: until the last refresh. `part`: the part of it that is compared.

    `before`: the same part of the month before, None when nothing was read in it.
    """

    unit: str
    total: Decimal
    part: Decimal
    before: Decimal | None


class Cards(Struct, frozen=True):
    """The two cards of a unit."""

    today: Compared
    month: Compared


class Consumption(Struct, frozen=True):
    """The cards of at most four units, and which parts they compare."""

    cards: tuple[Cards, ...]
    part: Part
    before: Part
    left_out: int


def read_cached_consumption(
    account_id: int, *, calendar: Calendar, now: datetime, refreshed_at: datetime
) -> Consumption:
    """The same as `read_consumption`, read once after each refresh by each process: it reads a day
    and a half of hours and a month of days of every device, and every page shows it."""
    part, _before = choose_parts(calendar, now=now, known_until=refreshed_at)
    about = (account_id, calendar.zone.key, part, refreshed_at.timestamp())
    key = f"consumption-{blake2b(repr(about).encode(), digest_size=16).hexdigest()}"
    cached: Consumption | None = cache.get(key)
    if cached is None:
        cached = read_consumption(account_id, calendar=calendar, now=now, refreshed_at=refreshed_at)
        cache.set(key, cached, CACHED_S)
    return cached


def read_consumption(
    account_id: int, *, calendar: Calendar, now: datetime, refreshed_at: datetime
) -> Consumption:
    """What the account consumed today and in this billing month, by unit. Five queries."""
    part, before = choose_parts(calendar, now=now, known_until=refreshed_at)
    rows = read_account_months(account_id, first=part.month, until=part.month + DAY)
    month_totals = {row.unit: row.total for row in rows}
    today = _read_days(account_id, first=part.day, until=part.day + DAY)
    hours = _read_hours(account_id, part)
    hours_before = _read_hours(account_id, before)
    days_before = _read_days(account_id, first=before.month, until=before.day)
    units = [row.unit for row in sorted(rows, key=lambda row: (-row.devices_count, row.unit))]
    units += sorted({*hours_before, *days_before} - set(units))
    listed = units[:MOST_UNITS]
    part_of_month = _add(month_totals, _subtract(hours, today))
    month_before = _add(days_before, hours_before)
    cards = tuple(
        Cards(
            _compare(unit, total=today, part=hours, before=hours_before),
            _compare(unit, total=month_totals, part=part_of_month, before=month_before),
        )
        for unit in listed
    )
    return Consumption(cards, part, before, left_out=len(units) - len(listed))


def _read_hours(account_id: int, part: Part) -> Totals:
    if not part.has_hours:
        return {}
    return read_account_hours(
        account_id, since=part.since, until=part.until, first=part.day, last=part.day
    )


def _read_days(account_id: int, *, first: date, until: date) -> Totals:
    if first >= until:
        return {}
    totals: Totals = defaultdict(Decimal)
    for row in read_account_days(account_id, first=first, until=until):
        totals[row.unit] += row.total
    return dict(totals)


def _add(one: Totals, other: Totals) -> Totals:
    return {unit: one.get(unit, Decimal()) + other.get(unit, Decimal()) for unit in {*one, *other}}


def _subtract(one: Totals, other: Totals) -> Totals:
    return _add(one, {unit: -total for unit, total in other.items()})


def _compare(unit: str, *, total: Totals, part: Totals, before: Totals) -> Compared:
    nothing = Decimal()
    return Compared(unit, total.get(unit, nothing), part.get(unit, nothing), before.get(unit))
