"""What a move of a gateway would take from the months of one account, and give to another's."""

from collections.abc import Sequence
from datetime import date, datetime
from decimal import Decimal
from typing import Any, LiteralString

from django.db import connection
from msgspec import Struct

from telemetry.core.zones import read_zone
from telemetry.store.billing.consumed import Span, read_consumed
from telemetry.store.db.sql import Queries


class Sql(Queries):
    calendars: LiteralString
    devices: LiteralString
    count_readings: LiteralString


class MoveEffect(Struct, frozen=True):
    """A billing month that a move changes. A closed one stays as it was billed, and gets an
    adjustment of `difference`."""

    account_id: int
    month: date
    is_closed: bool
    unit: str
    difference: Decimal


def preview_move(
    gateway_id: int, *, old_id: int, new_id: int, since: datetime, until: datetime
) -> list[MoveEffect]:
    """What the devices consumed from a full hour on goes from one account to the other, each by its
    own months; as of the last refresh."""
    bounds = {"since": since, "until": until, "accounts": [old_id, new_id]}
    months = _fetch(Sql.calendars, bounds)
    devices = _fetch(Sql.devices, {"gateway": gateway_id})
    zone = next(read_zone(zone) for account, zone, *_ in months if account == old_id)
    keys: list[tuple[int, date, bool, str]] = []
    spans: list[Span] = []
    for account, _zone, month, begin, end, is_closed in months:
        first, last = max(begin, since), min(end, until)
        if first < last:
            keys += [(account, month, is_closed, unit) for _device, unit in devices]
            spans += [Span(device, first, last) for device, _unit in devices]
    found = read_consumed(old_id, zone, spans).spans if spans else []
    sums: dict[tuple[int, date, bool, str], Decimal] = {}
    for key, of in zip(keys, found, strict=True):
        sums[key] = sums.get(key, Decimal(0)) + of.total
    return [
        MoveEffect(*key, difference=-total if key[0] == old_id else total)
        for key, total in sums.items()
        if total
    ]


def count_readings(gateway_id: int, *, since: datetime, most: int) -> int:
    """How many readings of a gateway are later than an instant, at most `most`."""
    [(count,)] = _fetch(Sql.count_readings, {"gateway": gateway_id, "since": since, "most": most})
    return int(count)


def _fetch(statement: LiteralString, parameters: dict[str, Any]) -> Sequence[Any]:
    with connection.cursor() as cursor:
        cursor.execute(statement, parameters)
        return list(cursor.fetchall())
