"""What the chart of the overview shows, and how its parts compare over the period: devices, groups
or time-of-use bands."""

from collections.abc import Sequence
from datetime import date, datetime
from decimal import Decimal

from msgspec import Struct

from telemetry.web.charts.calendar import DAY, Calendar
from telemetry.web.charts.chart import Chart, Resolution
from telemetry.web.charts.chart_filters import ChartFilters
from telemetry.web.charts.period import Period
from telemetry.web.charts.period_names import count_days_so_far, list_days_beside
from telemetry.web.charts.totals import Totals
from telemetry.web.overview.parting import By
from telemetry.web.overview.quantities import Quantity

WHOLE = Decimal("0.9")
"""The share of its days that a period must have to be compared with."""
_WIDTH = Decimal(100)


class Question(Struct, frozen=True):
    """What is asked: a quantity of an account's devices over a period."""

    account_id: int
    quantity: Quantity
    by: By
    filters: ChartFilters
    period: Period
    calendar: Calendar
    now: datetime


class Before(Struct, frozen=True):
    """What changes are against: as many whole `days` of the period before, in [first, until).
    `is_aligned`: their weekdays are the same."""

    name: str
    days: int
    first: date
    until: date
    is_aligned: bool


class Part(Struct, frozen=True):
    """A part of what is shown: a device, a group, a band, or the rest of them.

    `key`: of its series. `name` is its label in the chart, `title` a shorter one. `query`: of the
    overview of it alone. `devices_count`: of a group. `share`: of what all together consumed.
    `part` is compared with `before`, the same part of the period before; None for levels.
    `is_partial`: too little is known of that to compare with.
    """

    key: int
    name: str
    title: str
    summary: Totals
    location: str = ""
    device_id: int | None = None
    query: str = ""
    devices_count: int | None = None
    share: Decimal | None = None
    part: Decimal | None = None
    before: Decimal | None = None
    is_partial: bool = False


class Parts(Struct, frozen=True):
    """A chart, and the parts in the order of their series. `devices_count`: of how many devices;
    `left_out`: devices whose consumption is not in it."""

    chart: Chart
    parts: Sequence[Part]
    devices_count: int
    left_out: int = 0


class Row(Struct, frozen=True):
    """A part with its bar, which begins at `start`, is `width` long, and has a mark: in percent."""

    part: Part
    bar_start: Decimal
    bar_width: Decimal
    bar_mark: Decimal | None


class Comparison(Struct, frozen=True):
    """The chart, and its parts in the order of their series. `before`: what changes are against;
    None where none are shown. `total` is that of all rows. `is_running`: the period goes on, and
    what came since the last whole hour is in the rows."""

    chart: Chart
    rows: tuple[Row, ...]
    by: By
    devices_count: int
    left_out: int
    before: Before | None
    total: Part | None
    is_running: bool


def find_before(question: Question, chart: Chart) -> Before | None:
    """The whole days of the period before; None for levels, hours, and where no day is over."""
    if chart.resolution is not Resolution.DAY or question.quantity.is_level or not chart.series:
        return None
    days = count_days_so_far(question.period, today=question.calendar.day_of(question.now))
    beside = list_days_beside(question.period, calendar=question.calendar, days=days * DAY)
    if not beside:
        return None
    name, first, until = beside[0]
    return Before(name, days, first, until, is_same_weekday(first, question.period.first))


def is_partial(before: Before, *, days: int, devices: int = 1) -> bool:
    """Whether so many days with readings, of all devices together, miss more than a tenth."""
    return days < WHOLE * devices * (before.until - before.first).days


def is_same_weekday(one: date, other: date) -> bool:
    """Whether days that begin there are compared weekday by weekday."""
    return one.weekday() == other.weekday()


def make_comparison(question: Question, parts: Parts, before: Before | None) -> Comparison:
    """The rows with their bars: consumption from zero, levels from their least to their most."""
    return Comparison(
        parts.chart,
        tuple(_make_rows(parts.parts)),
        question.by,
        parts.devices_count,
        parts.left_out,
        before,
        _sum_up(parts.parts),
        question.period.until > question.now,
    )


def _sum_up(parts: Sequence[Part]) -> Part | None:
    totals = [part.summary.total for part in parts if part.summary.total is not None]
    if len(totals) < 2:
        return None
    before = [part.before for part in parts if part.before is not None]
    return Part(
        0,
        "",
        "",
        Totals(sum(totals, Decimal()), None, None, None),
        part=sum((part.part or Decimal() for part in parts), Decimal()),
        before=sum(before, Decimal()) if before else None,
        share=sum((part.share or Decimal() for part in parts), Decimal()),
        is_partial=any(part.is_partial for part in parts),
    )


def _make_rows(parts: Sequence[Part]) -> list[Row]:
    low, high = _find_ends([part.summary for part in parts])
    scale = _WIDTH / (high - low) if high > low else Decimal()
    rows = []
    for part in parts:
        summary = part.summary
        start, end, mark = (
            value or Decimal() for value in (summary.minimum, summary.maximum, summary.mean)
        )
        if summary.total is not None:
            start, end = sorted((Decimal(), summary.total))
        rows.append(
            Row(
                part,
                bar_start=round((start - low) * scale, 2),
                bar_width=round((end - start) * scale, 2),
                bar_mark=round((mark - low) * scale, 2) if summary.total is None else None,
            )
        )
    return rows


def _find_ends(summaries: Sequence[Totals]) -> tuple[Decimal, Decimal]:
    totals = [summary.total for summary in summaries if summary.total is not None]
    if totals:
        return min(Decimal(), *totals), max(Decimal(), *totals)
    low = min((summary.minimum or Decimal() for summary in summaries), default=Decimal())
    high = max((summary.maximum or Decimal() for summary in summaries), default=Decimal())
    return low, high
