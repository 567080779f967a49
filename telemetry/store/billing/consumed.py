"""What devices consumed between two instants: whole local days, and parts of days by their hours.

Each border has what was consumed until it since the day that holds it began; the rest are sums of
days. So periods that follow each other add up, and one of whole days is the sum of these.
"""

from collections.abc import Iterable, Sequence
from datetime import date, datetime
from decimal import Decimal
from typing import Any, LiteralString

from django.db import connection
from msgspec import Struct

from telemetry.core.consumption import DAY, Consumption, counted_day, hour_of, start_of
from telemetry.core.gaps import consume_until
from telemetry.core.registers import HOUR, Step
from telemetry.core.zones import Zone
from telemetry.store.bands.read import read_gaps
from telemetry.store.db.sql import Queries


class Sql(Queries):
    days: LiteralString
    hours: LiteralString
    part_of_hour: LiteralString


ZERO = Decimal(0)


class Span(Struct, frozen=True):
    """A time of a device, after `since`, up to and including `until`."""

    device_id: int
    since: datetime
    until: datetime


class Border(Struct, frozen=True):
    """An instant between whole days before `day` and what comes after. `parts`: what devices
    consumed from the day's begin until it; `gaps`: those that reach over it."""

    day: date
    parts: dict[int, Decimal]
    gaps: dict[int, Step]


class Consumed(Struct, frozen=True):
    """What spans come to, in their order, and the borders by which they were counted."""

    spans: list[Consumption]
    borders: dict[datetime, Border]


def read_consumed(account_id: int, zone: Zone, spans: Sequence[Span]) -> Consumed:
    """What was consumed in each span."""
    devices: dict[datetime, set[int]] = {}
    for span in spans:
        for at in (span.since, span.until):
            devices.setdefault(at, set()).add(span.device_id)
    borders = {at: _read_border(account_id, zone, at, of) for at, of in devices.items()}
    days = _sum_days(account_id, spans, borders)
    found = []
    for number, span in enumerate(spans):
        first, last = borders[span.since], borders[span.until]
        part = last.parts.get(span.device_id, ZERO) - first.parts.get(span.device_id, ZERO)
        found.append(Consumption(days.get(number, ZERO) + part, _estimate(span, first, last)))
    return Consumed(found, borders)


def _read_border(account_id: int, zone: Zone, at: datetime, devices: Iterable[int]) -> Border:
    day = counted_day(at, zone)
    begin, end = start_of(day, zone), start_of(day + DAY, zone)
    scope: dict[str, Any] = {"account": account_id, "devices": sorted(devices)}
    gaps = read_gaps({**scope, "since": begin, "until": at})
    over = {
        device: gap for device, gap in gaps if gap.since is not None and gap.since < at < gap.at
    }
    if at == end:
        return Border(day + DAY, {}, over)
    parts: dict[int, Decimal] = {}

    def add(device: int, consumed: Decimal) -> None:
        parts[device] = parts.get(device, ZERO) + consumed

    for device, consumed in _fetch(Sql.hours, {**scope, "since": begin, "until": at}):
        add(device, consumed)
    for cut, sign in ((begin, -1), (at, 1)):
        for device, consumed in _read_part_of_hour(scope, cut):
            add(device, sign * consumed)
    for device, gap in gaps:
        add(device, consume_until(gap, at) - consume_until(gap, begin))
    return Border(day, parts, over)


def _begins_before(gap: Step, at: datetime) -> bool:
    """Whether a gap began before an instant."""
    return gap.since is not None and gap.since < at


def _read_part_of_hour(scope: dict[str, Any], at: datetime) -> list[Any]:
    """What was consumed until an instant within its hour; nothing at its end."""
    hour = hour_of(at)
    if at - hour == HOUR:
        return []
    return _fetch(Sql.part_of_hour, {**scope, "hour": hour, "until": at})


def _sum_days(
    account_id: int, spans: Sequence[Span], borders: dict[datetime, Border]
) -> dict[int, Decimal]:
    """The days from border to border, by the number of the span."""
    columns: dict[str, list[Any]] = {
        "numbers": list(range(len(spans))),
        "devices": [span.device_id for span in spans],
        "firsts": [borders[span.since].day for span in spans],
        "untils": [borders[span.until].day for span in spans],
    }
    return dict(_fetch(Sql.days, {"account": account_id, **columns}))


def _estimate(span: Span, first: Border, last: Border) -> Decimal:
    """What comes from gaps that reach over an end of the span."""
    gaps = {of.gaps[span.device_id] for of in (first, last) if span.device_id in of.gaps}
    return sum(
        (consume_until(gap, span.until) - consume_until(gap, span.since) for gap in gaps), ZERO
    )


def _fetch(statement: LiteralString, parameters: dict[str, Any]) -> list[Any]:
    with connection.cursor() as cursor:
        cursor.execute(statement, parameters)
        return list(cursor.fetchall())
