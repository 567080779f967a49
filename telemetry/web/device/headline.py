"""The answer over the chart of a device: what the period comes to, and beside what."""

from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from functools import partial

from django.utils.translation import gettext as _
from msgspec import Struct

from telemetry.models import Device
from telemetry.store.reads.chart_series import Sample, read_day_series, read_hour_series
from telemetry.web.charts.calendar import DAY, HOUR, Calendar, floor_hour
from telemetry.web.charts.chart import Chart, Resolution
from telemetry.web.charts.period import Period, Span
from telemetry.web.charts.period_names import count_days_so_far, list_days_beside, name_period
from telemetry.web.charts.totals import Totals, count_known, fold
from telemetry.web.device.compare import Compared
from telemetry.web.formatting import format_days

WEEK = 7 * DAY
WHOLE = Decimal("0.9")
"""The share of its days that a period must have to be compared with."""


class Beside(Struct, frozen=True):
    """The same part of another period, to compare with; `text` names it."""

    text: str
    totals: Totals


class Headline(Struct, frozen=True):
    """A period: its name, what it comes to until now, and what is beside it.

    `part`: what of it is compared, which ends with the last whole day or hour; `part_text` names
    that where it is not all. `days`: whole days so far. `largest`: its largest day or hour.
    """

    title: str
    totals: Totals
    part: Totals
    part_text: str
    beside: Sequence[Beside]
    days: int
    largest: Sample | None

    @property
    def daily_mean(self) -> Decimal | None:
        """The mean of the whole days."""
        total = self.part.total
        return total / self.days if self.days and total is not None else None


def read_headline(
    account_id: int,
    *,
    device: Device,
    chart: Chart,
    period: Period,
    calendar: Calendar,
    now: datetime,
    compared: Compared | None = None,
) -> Headline:
    """As of the last refresh. Beside it is what it is compared with, where somebody chose that. At
    most three queries: of days, the period is that of its chart."""
    is_clock = period.is_hourly and period.span in (Span.DAY, Span.ZOOM)
    read = _read_hours if is_clock else partial(_read_days, chart=chart)
    return read(account_id, device, period, calendar=calendar, now=now, compared=compared)


def _read_days(
    account_id: int,
    device: Device,
    period: Period,
    *,
    chart: Chart,
    calendar: Calendar,
    now: datetime,
    compared: Compared | None,
) -> Headline:
    def read(first: date, until: date) -> list[Sample]:
        if first >= until:
            return []
        series = read_day_series(account_id, device_ids=[device.pk], first=first, until=until)
        return series.get(device.pk, [])

    is_delta = device.measurement == Device.Measurement.DELTA
    today = calendar.day_of(now)
    days = count_days_so_far(period, today=today) * DAY
    end = period.first + days
    if chart.resolution is Resolution.DAY:
        samples = [sample for sample in chart.series.get(device.pk, ()) if sample is not None]
    else:
        samples = read(period.first, min(period.end, today + DAY))
    part = [sample for sample in samples if sample.start < end]
    beside = []
    others = list_days_beside(period, calendar=calendar, days=days)
    if compared is not None and days:
        others = [_name_days(compared, days, is_whole=end == period.end)]
    for text, first, until in others:
        earlier = read(first, until)
        if count_known(earlier, is_delta=is_delta) >= WHOLE * (until - first).days:
            beside.append(Beside(text, fold(earlier)))
    return Headline(
        name_period(period, calendar=calendar),
        fold(samples),
        fold(part),
        "" if end == period.end or not days else format_days(period.first, end - DAY),
        beside,
        days.days,
        _find_largest(part),
    )


def _name_days(compared: Compared, days: timedelta, *, is_whole: bool) -> tuple[str, date, date]:
    first = compared.period.first
    until = compared.period.end if is_whole else min(first + days, compared.period.end)
    is_named = is_whole or until == compared.period.end
    return compared.name if is_named else format_days(first, until - DAY), first, until


def _read_hours(
    account_id: int,
    device: Device,
    period: Period,
    *,
    calendar: Calendar,
    now: datetime,
    compared: Compared | None,
) -> Headline:
    since, end = floor_hour(period.since), min(period.until, now)
    whole = max(since, floor_hour(end))
    other = compared.period.since if compared else _week_before(period.since, calendar)
    back = period.since - other

    def read(first: datetime, until: datetime) -> list[Sample]:
        if until <= first:
            return []
        series = read_hour_series(account_id, device_ids=[device.pk], since=first, until=until)
        return series.get(device.pk, [])

    is_near = timedelta(0) < back <= WEEK  # then both are read at once
    hours = read(since - back if is_near else since, end)
    samples = [sample for sample in hours if sample.start >= since]
    part = [sample for sample in samples if sample.start < whole]
    first, until = floor_hour(since - back), floor_hour(whole - back)
    earlier = hours if is_near else read(first, until)
    earlier = [sample for sample in earlier if first <= sample.start < until]
    beside = []
    if earlier:
        name = compared.name if compared else _("the same hours a week before")
        beside.append(Beside(name, fold(earlier)))
    return Headline(
        name_period(period, calendar=calendar),
        fold(samples),
        fold(part),
        "" if whole + HOUR > period.until else _("whole hours"),
        beside,
        0,
        _find_largest(part),
    )


def _week_before(at: datetime, calendar: Calendar) -> datetime:
    """When the clock showed the same a week before, also where it was put forward or back since."""
    return (at.astimezone(calendar.zone) - WEEK).astimezone(UTC)


def _find_largest(samples: Sequence[Sample]) -> Sample | None:
    counted = [sample for sample in samples if sample.total is not None]
    return max(counted, key=lambda sample: sample.total or Decimal(), default=None)
