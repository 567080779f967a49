"""Time-of-use bands, and 15-minute demand, as pure functions.

An account's calendar says which band an instant belongs to, by the local clock: the first period
that holds it. Other time is the rest (`REST`). Like an hour or a day, a span of a band holds the
instants after its start, up to and including its end; spans follow each other without a gap, so
that bands add up to the month, also across clock changes.
"""

from collections.abc import Iterable, Mapping, Sequence
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from functools import lru_cache
from typing import Literal, TypeAlias

from msgspec import Struct

from telemetry.core.consumption import Consumption
from telemetry.core.gaps import TEN_THOUSAND, consume
from telemetry.core.registers import Step
from telemetry.core.zones import Zone

HOUR = timedelta(hours=1)
QUARTER = timedelta(minutes=15)
"""Every zone's clock differs from UTC by whole quarters, so that each quarter has one band."""
REST = ""
MIDNIGHT = time(0)

DayKind: TypeAlias = Literal["weekday", "saturday", "sunday", "holiday"]


class Period(Struct, frozen=True):
    """When a band applies: on these days, from `starts` to `ends` (00:00: midnight), and only in
    a season, where it has one: from its first day to its last, both "MM-DD" and included."""

    band: str
    days: frozenset[DayKind]
    starts: time
    ends: time
    season: tuple[str, str] | None = None

    def holds(self, local: datetime, day_kind: DayKind) -> bool:
        """Whether it holds the quarter of an hour that begins at a local time."""
        if day_kind not in self.days or local.time() < self.starts:
            return False
        is_before_end = self.ends == MIDNIGHT or local.time() < self.ends
        return is_before_end and self._is_season(local)

    def _is_season(self, local: datetime) -> bool:
        if self.season is None:
            return True
        first, last = self.season
        day = f"{local:%m-%d}"
        return first <= day <= last if first <= last else day >= first or day <= last


class BandCalendar(Struct, frozen=True):
    """The bands of an account, the first period first."""

    periods: tuple[Period, ...] = ()
    holidays: frozenset[date] = frozenset()

    def band_at(self, local: datetime) -> str:
        """The band of the quarter of an hour that begins at a local time."""
        day_kind = self._kind_of(local.date())
        for period in self.periods:
            if period.holds(local, day_kind):
                return period.band
        return REST

    def _kind_of(self, day: date) -> DayKind:
        if day in self.holidays:
            return "holiday"
        return "saturday" if day.weekday() == 5 else "sunday" if day.weekday() == 6 else "weekday"


class Span(Struct, frozen=True):
    """A time of one band (UTC)."""

    since: datetime
    until: datetime
    band: str


class Demand(Struct, frozen=True):
    """What was consumed in the quarter of an hour after `since`, four times: units an hour."""

    power: Decimal
    since: datetime


@lru_cache(maxsize=512)
def list_spans(
    since: datetime, until: datetime, calendar: BandCalendar, zone: Zone, *, cut: timedelta
) -> tuple[Span, ...]:
    """The spans of a period (UTC, whole quarters), in order; none reaches over an instant that is a
    multiple of `cut` after 1970: an hour, or a quarter."""
    spans: list[Span] = []
    at = since
    while at < until:
        band = calendar.band_at(at.astimezone(zone))
        is_cut = not (at.timestamp() % cut.total_seconds())
        if spans and spans[-1].band == band and not is_cut:
            spans[-1] = Span(spans[-1].since, at + QUARTER, band)
        else:
            spans.append(Span(at, at + QUARTER, band))
        at += QUARTER
    return tuple(spans)


def consume_by_band(steps: Sequence[Step], spans: Iterable[Span]) -> dict[str, Consumption]:
    """What was consumed in each band."""
    bands: dict[str, Consumption] = {}
    for span in spans:
        consumed, estimated = consume(steps, span.since, span.until)
        before = bands.get(span.band, Consumption(Decimal(0), Decimal(0)))
        bands[span.band] = Consumption(before.total + consumed, before.estimated + estimated)
    return bands


def divide(total: Decimal, weights: Mapping[str, Decimal]) -> dict[str, Decimal]:
    """A total in shares by weight, cut after four decimals; the last one gets the rest. Weights
    that add up to the total are the shares."""
    whole = sum(weights.values(), Decimal(0))
    if total == whole:
        return dict(weights)
    *names, last = weights
    shares = {name: total * weights[name] * TEN_THOUSAND // whole / TEN_THOUSAND for name in names}
    return {**shares, last: total - sum(shares.values(), Decimal(0))}


def find_demand(steps: Iterable[Step], spans: Sequence[Span]) -> dict[str, Demand]:
    """The largest demand of each band, the first one where two are alike. A step is spread evenly
    over its time, so a reading some seconds after a quarter changes little. `spans`: quarters."""
    consumed = dict.fromkeys((span.since for span in spans), Decimal(0))
    for step in steps:
        for since, share in _spread(step):
            if since in consumed:
                consumed[since] += share
    largest: dict[str, Demand] = {}
    for span in spans:
        power = 4 * consumed[span.since]
        if power > 0 and (span.band not in largest or power > largest[span.band].power):
            largest[span.band] = Demand(power, span.since)
    return largest


def _spread(step: Step) -> Iterable[tuple[datetime, Decimal]]:
    """The parts of a step by quarters."""
    last = _begin_quarter(step.at - timedelta(microseconds=1))
    if step.since is None:
        yield last, step.consumed
        return
    length = (step.at - step.since) / timedelta(seconds=1)
    since = _begin_quarter(step.since)
    while since <= last:
        part = min(step.at, since + QUARTER) - max(step.since, since)
        yield since, step.consumed * Decimal(part / timedelta(seconds=1)) / Decimal(length)
        since += QUARTER


def _begin_quarter(at: datetime) -> datetime:
    return at.replace(minute=at.minute // 15 * 15, second=0, microsecond=0)
