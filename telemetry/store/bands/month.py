"""Billing months by band: as they are now, and as closed months keep them."""

from collections.abc import Iterator, Sequence
from datetime import date
from decimal import Decimal
from typing import Any, LiteralString
from zoneinfo import ZoneInfo

import msgspec
from django.db import connection
from msgspec import Struct

from telemetry.core import bands
from telemetry.core.bands import BandCalendar
from telemetry.store.bands.read import BandLine, Period, read_bands
from telemetry.store.db.sql import Queries


class Sql(Queries):
    periods: LiteralString
    holidays: LiteralString
    account_month: LiteralString
    month_devices: LiteralString
    keep_bands: LiteralString


DEVICES_A_PIECE = 200


class DeviceBands(Struct, frozen=True):
    """A device in a billing month. `total` is what is billed; the lines come to it, but in a month
    that was closed before the account had bands: it has none. `label` names the device."""

    device_id: int
    label: str
    unit: str
    state: str
    total: Decimal
    lines: list[BandLine]


def read_calendar(account_id: int) -> BandCalendar:
    """The bands of an account; no periods when it has none."""
    with connection.cursor() as cursor:
        cursor.execute(Sql.periods, {"account": account_id})
        periods = tuple(
            bands.Period(band, frozenset(days), starts, ends, (first, last) if first else None)
            for band, days, starts, ends, first, last in cursor.fetchall()
        )
        cursor.execute(Sql.holidays, {"account": account_id})
        return BandCalendar(periods, frozenset(day for (day,) in cursor.fetchall()))


def read_band_month(
    account_id: int,
    *,
    month: date,
    offset: int = 0,
    limit: int = DEVICES_A_PIECE,
    device_ids: Sequence[int] | None = None,
) -> list[DeviceBands]:
    """Some devices of the billing month that begins on a day, by gateway and code; those of an
    open month as of the last refresh."""
    parameters: dict[str, Any] = {
        "account": account_id, "month": month, "offset": offset, "limit": limit,
        "devices": None if device_ids is None else list(device_ids),
    }  # fmt: skip
    with connection.cursor() as cursor:
        cursor.execute(Sql.month_devices, parameters)
        rows: list[Any] = cursor.fetchall()
    open_ids = [device for device, *_, state, _total, _kept in rows if state == "open"]
    lines = read_bands(_find_period(account_id, month), device_ids=open_ids) if open_ids else {}
    return [
        DeviceBands(
            device,
            f"{gateway}/{code} {name}".rstrip() if gateway else f"#{device}",
            unit,
            state,
            total,
            lines.get(device, [])
            if state == "open"
            else msgspec.json.decode(closed_lines, type=list[BandLine]),
        )
        for device, gateway, code, name, unit, state, total, closed_lines in rows
    ]


def stream_band_month(account_id: int, *, month: date) -> Iterator[DeviceBands]:
    """All devices of a month, some at a time."""
    offset = 0
    while rows := read_band_month(account_id, month=month, offset=offset):
        yield from rows
        offset += len(rows)


def keep_bands(account_id: int, *, month: date, device_ids: Sequence[int]) -> None:
    """Keep the bands of devices in the lines of a month that is being closed; nothing where the
    account has no bands."""
    period = _find_period(account_id, month)
    if not period.calendar.periods:
        return
    lines = read_bands(period, device_ids=device_ids)
    parameters: dict[str, Any] = {
        "account": account_id,
        "month": month,
        "devices": list(lines),
        "bands": [msgspec.json.encode(of).decode() for of in lines.values()],
    }
    with connection.cursor() as cursor:
        cursor.execute(Sql.keep_bands, parameters)


def _find_period(account_id: int, month: date) -> Period:
    with connection.cursor() as cursor:
        cursor.execute(Sql.account_month, {"account": account_id, "month": month})
        zone, since, until = cursor.fetchone()
    return Period(account_id, since, until, ZoneInfo(zone), read_calendar(account_id))
