"""What devices consumed in a billing month by band, and their largest demand (README.md beside
this). Through Django's connection; nothing of another account."""

from bisect import bisect_right
from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any, LiteralString

from django.db import connection
from msgspec import Struct

from telemetry.core.bands import (
    HOUR,
    QUARTER,
    BandCalendar,
    Demand,
    Span,
    divide,
    list_spans,
)
from telemetry.core.consumption import Consumption
from telemetry.core.gaps import consume_until
from telemetry.core.registers import Step
from telemetry.core.zones import Zone
from telemetry.store.db.sql import Queries

UNCUT = timedelta(days=100_000)


class Sql(Queries):
    whole_hours: LiteralString
    cut_hours: LiteralString
    gaps: LiteralString
    largest_demand: LiteralString
    demand_devices: LiteralString


class Period(Struct, frozen=True):
    """A time of an account (UTC instants) in its zone, with its bands."""

    account_id: int
    since: datetime
    until: datetime
    zone: Zone
    calendar: BandCalendar

    def spans(self, *, cut: timedelta) -> tuple[Span, ...]:
        """Its bands, cut at each multiple of `cut`."""
        return list_spans(self.since, self.until, self.calendar, self.zone, cut=cut)


class BandLine(Struct, frozen=True):
    """A device in one band. `demand`: units an hour in the quarter of an hour from `demand_at` on;
    None where the device sends too seldom, or consumed nothing."""

    band: str
    total: Decimal
    estimated: Decimal
    demand: Decimal | None
    demand_at: datetime | None


def read_bands(period: Period, *, device_ids: Sequence[int]) -> dict[int, list[BandLine]]:
    """The lines of devices that consumed something, by band; they add up to what the device
    consumed in the period, to the last decimal."""
    spans = period.spans(cut=HOUR)
    parameters: dict[str, Any] = {
        "account": period.account_id,
        "devices": list(device_ids),
        "since": period.since,
        "until": period.until,
    }
    consumed: dict[int, dict[str, Consumption]] = {}
    with connection.cursor() as cursor:
        _add_whole_hours(cursor, consumed, spans, parameters)
        add_cut_hours(cursor, consumed, spans, parameters)
        demands = _read_demands(cursor, period, parameters)
    add_gaps(consumed, period.spans(cut=UNCUT), parameters)
    return {
        device: [
            _make_line(band, of, demands.get((device, band))) for band, of in sorted(bands.items())
        ]
        for device, bands in consumed.items()
    }


def _make_line(band: str, of: Consumption, demand: Demand | None) -> BandLine:
    return BandLine(
        band,
        of.total,
        of.estimated,
        demand.power if demand else None,
        demand.since if demand else None,
    )


def _add(
    consumed: dict[int, dict[str, Consumption]],
    device: int,
    band: str,
    total: Decimal,
    estimated: Decimal = Decimal(0),
) -> None:
    bands = consumed.setdefault(device, {})
    before = bands.get(band, Consumption(Decimal(0), Decimal(0)))
    bands[band] = Consumption(before.total + total, before.estimated + estimated)


def _add_whole_hours(
    cursor: Any,
    consumed: dict[int, dict[str, Consumption]],
    spans: Iterable[Span],
    parameters: dict[str, Any],
) -> None:
    whole = [span for span in spans if span.until - span.since == HOUR]
    hours = {"hours": [span.since for span in whole], "bands": [span.band for span in whole]}
    cursor.execute(Sql.whole_hours, {**parameters, **hours})
    for device, band, total in cursor.fetchall():
        _add(consumed, device, band, total)


def add_cut_hours(
    cursor: Any,
    consumed: dict[int, dict[str, Consumption]],
    spans: Iterable[Span],
    parameters: dict[str, Any],
) -> None:
    """Hours that the band, or the period, begins or ends in. What lies outside of it is left out;
    an hour whose readings are gone is divided by time."""
    cut: dict[datetime, list[Span]] = {}
    for span in spans:
        if span.until - span.since < HOUR:
            hour = span.since.replace(minute=0)
            cut.setdefault(hour, []).append(span)
    if not cut:
        return
    cursor.execute(Sql.cut_hours, {
        **parameters, "hours": list(cut), "since": min(cut), "until": max(cut) + HOUR,
    })  # fmt: skip
    for device, hour, total, instants, steps in cursor.fetchall():
        weights = [Decimal(0)] * len(cut[hour])
        outside = Decimal(0)
        for at, step in zip(instants, steps, strict=True):
            place = _find(cut[hour], at)
            if place is None:
                outside += step
            else:
                weights[place] += step
        if outside + sum(weights, Decimal(0)) == 0 and total:
            weights = [_minutes(span.until - span.since) for span in cut[hour]]
            outside = 60 - sum(weights, Decimal(0))
        named = {str(number): weight for number, weight in enumerate(weights)}
        for name, share in divide(total, {"": outside, **named}).items():
            if name:
                _add(consumed, device, cut[hour][int(name)].band, share)


def _find(spans: Sequence[Span], at: datetime) -> int | None:
    for number, span in enumerate(spans):
        if span.since < at <= span.until:
            return number
    return None


def _minutes(length: timedelta) -> Decimal:
    return Decimal(length // timedelta(minutes=1))


def read_gaps(parameters: dict[str, Any]) -> list[tuple[int, Step]]:
    """The gaps of devices that a period, from `since` to `until`, has a part of, and perhaps ones
    before it."""
    with connection.cursor() as cursor:
        cursor.execute(Sql.gaps, parameters)
        rows: Any = cursor.fetchall()
    return [(device, Step(since, until, amount, amount)) for device, amount, since, until in rows]


def add_gaps(
    consumed: dict[int, dict[str, Consumption]],
    spans: Sequence[Span],
    parameters: dict[str, Any],
) -> None:
    """What the spans get of steps over a time without readings: their shares by time."""
    starts = [span.since for span in spans]
    for device, step in read_gaps(parameters):
        assert step.since is not None
        for span in spans[max(0, bisect_right(starts, step.since) - 1) :]:
            if span.since >= step.at:
                break
            share = consume_until(step, span.until) - consume_until(step, span.since)
            is_estimated = step.since < span.since or span.until < step.at
            _add(consumed, device, span.band, share, share if is_estimated else Decimal(0))


def _read_demands(
    cursor: Any, period: Period, parameters: dict[str, Any]
) -> dict[tuple[int, str], Demand]:
    """The largest demand by device and band, of devices that send every 15 minutes or oftener."""
    cursor.execute(Sql.demand_devices, parameters)
    devices = [device for (device,) in cursor.fetchall()]
    if not devices:
        return {}
    quarters = period.spans(cut=QUARTER)
    named = {
        "devices": devices,
        "quarters": [span.since for span in quarters],
        "bands": [span.band for span in quarters],
    }
    cursor.execute(Sql.largest_demand, {**parameters, **named})
    return {(device, band): Demand(power, at) for device, band, power, at in cursor.fetchall()}
