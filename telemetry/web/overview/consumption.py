"""The cards of consumption: today and this month, beside the same part of the month before."""

from collections import Counter, defaultdict
from collections.abc import Iterable
from datetime import date, datetime
from decimal import Decimal

from msgspec import Struct

from telemetry.store.comparison import (
    AccountTotal,
    read_account_days,
    read_account_hours,
)
from telemetry.web.charts.calendar import DAY, Calendar
from telemetry.web.overview.parts import Part, choose_parts

MOST_UNITS = 4

Totals = dict[str, Decimal]
"""Consumption by unit."""


class Compared(Struct, frozen=True):
    """A card. `total`: so far, as of the last refresh. `part`: what of it is compared.

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


def read_consumption(
    account_id: int, *, calendar: Calendar, now: datetime, refreshed_at: datetime
) -> Consumption:
    """What the account consumed today and in this billing month, by unit. Four queries."""
    part, before = choose_parts(calendar, now=now, known_until=refreshed_at)
    rows = read_account_days(account_id, first=part.month, until=part.day + DAY)
    today, days = _split(rows, today=part.day)
    hours = _read_hours(account_id, part)
    hours_before = _read_hours(account_id, before)
    days_before = _read_days(account_id, first=before.month, until=before.day)
    counts = _count_devices(rows)
    units = sorted(counts, key=lambda unit: (-counts[unit], unit))
    units += sorted({*hours_before, *days_before} - set(units))
    shown = units[:MOST_UNITS]
    so_far, part_of_month = _add(days, today), _add(days, hours)
    month_before = _add(days_before, hours_before)
    cards = tuple(
        Cards(
            _compare(unit, total=today, part=hours, before=hours_before),
            _compare(unit, total=so_far, part=part_of_month, before=month_before),
        )
        for unit in shown
    )
    return Consumption(cards, part, before, left_out=len(units) - len(shown))


def _split(rows: Iterable[AccountTotal], *, today: date) -> tuple[Totals, Totals]:
    """What today came to, and the days before it."""
    of_today: Totals = {}
    before: Totals = defaultdict(Decimal)
    for row in rows:
        if row.start == today:
            of_today[row.unit] = row.total
        else:
            before[row.unit] += row.total
    return of_today, dict(before)


def _count_devices(rows: Iterable[AccountTotal]) -> Counter[str]:
    counts: Counter[str] = Counter()
    for row in rows:
        counts[row.unit] = max(counts[row.unit], row.devices_count)
    return counts


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


def _compare(unit: str, *, total: Totals, part: Totals, before: Totals) -> Compared:
    nothing = Decimal()
    return Compared(unit, total.get(unit, nothing), part.get(unit, nothing), before.get(unit))
