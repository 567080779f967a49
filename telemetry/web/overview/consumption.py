"""Consumption by unit: today beside the same weekday, this month beside the one before, and what
the month may come to."""

from collections import defaultdict
from collections.abc import Iterable
from datetime import date, datetime
from decimal import Decimal
from hashlib import blake2b

from django.core.cache import cache
from msgspec import Struct

from telemetry.store.reads.account_signs import Signs, read_signs
from telemetry.store.reads.account_totals import (
    AccountTotal,
    HourSpan,
    read_account_days,
    read_account_hours,
    read_account_months,
)
from telemetry.web.charts.calendar import DAY, Calendar
from telemetry.web.overview.month_parts import Part, choose_parts, find_week_before

MOST_UNITS = 4
MOST_CHANGES = 5
CACHED_S = 120
DAYS_A_WEEK = 7
FOUR_WEEKS = 4 * DAYS_A_WEEK * DAY
_NOTHING = Decimal()

Totals = dict[str, Decimal]
"""Consumption by unit."""


class Compared(Struct, frozen=True):
    """A total until the last refresh. `part`: the part of it that is compared.

    `before`: the same part of an earlier time, None when nothing was read in it.
    """

    unit: str
    total: Decimal
    part: Decimal
    before: Decimal | None


class Cards(Struct, frozen=True):
    """The row of a unit. `projected`: what the month comes to when the days that are left are as
    those of the last four weeks were, weekday by weekday; None without a week of them.

    `month_before`: the whole month before, None when nothing was read in it.
    """

    today: Compared
    month: Compared
    projected: Decimal | None = None
    month_before: Decimal | None = None

    @property
    def done_percent(self) -> int:
        """How much of the bar of the month is consumed."""
        return self._to_percent(self.month.total)

    @property
    def projected_percent(self) -> int:
        """Where the bar ends."""
        return self._to_percent(self.projected)

    @property
    def before_percent(self) -> int:
        """Where the mark of the month before is."""
        return self._to_percent(self.month_before)

    def _to_percent(self, value: Decimal | None) -> int:
        most = max(self.projected or 0, self.month_before or 0, self.month.total)
        return round(100 * max(value or 0, 0) / most) if most > 0 else 0


class Consumption(Struct, frozen=True):
    """The rows of at most four units, and which parts they compare: `before` of the month before,
    `week` of the same weekday. `expected`: what a day of each weekday comes to, by unit.
    `signs`: how complete this month is, and devices that are not as usual."""

    cards: tuple[Cards, ...]
    part: Part
    before: Part
    week: Part
    left_out: int
    expected: dict[str, dict[int, Decimal]]
    signs: Signs


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
    """What the account consumed today and in this billing month, by unit. Four queries."""
    part, before = choose_parts(calendar, now=now, known_until=refreshed_at)
    week = find_week_before(calendar, part)
    rows = read_account_months(account_id, first=before.month, until=part.month + DAY)
    this = [row for row in rows if row.start == part.month]
    month_totals = {row.unit: row.total for row in this}
    whole_before = {row.unit: row.total for row in rows if row.start == before.month}
    first = min(before.month, part.day - FOUR_WEEKS)
    days = read_account_days(account_id, first=first, until=part.day + DAY)
    today = _sum_days(days, first=part.day, until=part.day + DAY)
    days_before = _sum_days(days, first=before.month, until=before.day)
    hours, hours_before, hours_week = _read_hours(account_id, part, before, week)
    units = [row.unit for row in sorted(this, key=lambda row: (-row.devices_count, row.unit))]
    units += sorted({*hours_before, *hours_week, *days_before} - set(units))
    listed = units[:MOST_UNITS]
    part_of_month = _add(month_totals, _subtract(hours, today))
    month_before = _add(days_before, hours_before)
    expected = _expect_days(row for row in days if part.day - FOUR_WEEKS <= row.start < part.day)
    left = (calendar.next_month(part.month) - part.day).days
    cards = tuple(
        Cards(
            _compare(unit, total=today, part=hours, before=hours_week),
            _compare(unit, total=month_totals, part=part_of_month, before=month_before),
            project(
                expected.get(unit, {}), part=part_of_month.get(unit, _NOTHING),
                today=hours.get(unit, _NOTHING), first=part.day, days=left,
            ),
            whole_before.get(unit),
        )
        for unit in listed
    )  # fmt: skip
    left_out = len(units) - len(listed)
    return Consumption(
        cards, part, before, week, left_out, expected,
        read_signs(
            account_id, month=part.month, month_before=before.month, until=part.day,
            most=MOST_CHANGES,
        ),
    )  # fmt: skip


def _expect_days(days: Iterable[AccountTotal]) -> dict[str, dict[int, Decimal]]:
    """What a day of each weekday (Monday is 0) comes to, by unit: the means of these days."""
    by_weekday: dict[str, dict[int, list[Decimal]]] = {}
    for row in days:
        weekdays = by_weekday.setdefault(row.unit, {})
        weekdays.setdefault(row.start.weekday(), []).append(row.total)
    return {
        unit: {weekday: sum(of, Decimal()) / len(of) for weekday, of in weekdays.items()}
        for unit, weekdays in by_weekday.items()
    }


def project(
    expected: dict[int, Decimal], *, part: Decimal, today: Decimal, first: date, days: int
) -> Decimal | None:
    """What was consumed, with what is left of today and the days after it: three digits, or two of
    what is left, so that it looks no surer than it is, and what is left is seen. The change that is
    told is that of this figure."""
    if len(expected) < DAYS_A_WEEK:
        return None
    rest = max(expected[first.weekday()] - today, _NOTHING)
    later = (first + number * DAY for number in range(1, days))
    left = rest + sum((expected[day.weekday()] for day in later), _NOTHING)
    projected = part + left
    if not projected:
        return projected
    return round(projected, max(2 - projected.adjusted(), 1 - left.adjusted() if left else 0))


def _read_hours(account_id: int, *parts: Part) -> list[Totals]:
    """Of each part; nothing of one without a whole hour."""
    whole = [part for part in parts if part.has_hours]
    spans = [HourSpan(part.since, part.until, part.day, part.day) for part in whole]
    totals = iter(read_account_hours(account_id, spans=spans))
    return [next(totals) if part.has_hours else {} for part in parts]


def _sum_days(days: Iterable[AccountTotal], *, first: date, until: date) -> Totals:
    totals: Totals = defaultdict(Decimal)
    for row in days:
        if first <= row.start < until:
            totals[row.unit] += row.total
    return dict(totals)


def _add(one: Totals, other: Totals) -> Totals:
    return {unit: one.get(unit, Decimal()) + other.get(unit, Decimal()) for unit in {*one, *other}}


def _subtract(one: Totals, other: Totals) -> Totals:
    return _add(one, {unit: -total for unit, total in other.items()})


def _compare(unit: str, *, total: Totals, part: Totals, before: Totals) -> Compared:
    return Compared(unit, total.get(unit, _NOTHING), part.get(unit, _NOTHING), before.get(unit))
