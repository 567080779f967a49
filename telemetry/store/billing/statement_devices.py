"""The devices of a statement, by their meters."""

from datetime import date, datetime
from decimal import Decimal
from typing import Any, LiteralString

from django.db import connection
from django.utils.translation import gettext as _
from msgspec import Struct

from telemetry.core.consumption import DAY, start_of
from telemetry.core.installations import Installation, Meter
from telemetry.core.statements import RegisterValue
from telemetry.core.zones import Zone
from telemetry.store.billing.statement_parts import (
    FittedMeter,
    Period,
    StatementPart,
    count_parts,
)
from telemetry.store.db.sql import Queries
from telemetry.store.reads.own_times import OwnTime, read_own_times


class Sql(Queries):
    devices: LiteralString
    installations: LiteralString


MOST_DEVICES = 2_000


class StatementError(ValueError):
    """There is no such statement. The text is a line for people; `field` is what is wrong."""

    def __init__(self, field: str, text: str) -> None:
        super().__init__(text)
        self.field = field


class StatementQuestion(Struct, frozen=True):
    """After `since`, up to and including `until`: of devices, of a gateway's, of a group's, of a
    virtual meter's; of all of the account where none is chosen."""

    account_id: int
    since: datetime
    until: datetime
    device_ids: tuple[int, ...] | None = None
    gateway_id: int | None = None
    group: str | None = None
    virtual_id: int | None = None

    @property
    def is_chosen(self) -> bool:
        """Whether some devices are, and not the account."""
        return (self.device_ids, self.gateway_id, self.group) != (None, None, None)


class DeviceStatement(Struct, frozen=True):
    """A device in one unit, by its meters. `label` names it; `is_own`: it is the account's now."""

    device_id: int
    label: str
    unit: str
    is_own: bool
    parts: list[StatementPart]

    @property
    def total(self) -> Decimal:
        """What it consumed."""
        return sum((part.total for part in self.parts), Decimal(0))

    @property
    def estimated(self) -> Decimal:
        """What of it comes from times without readings that reach over an end."""
        return sum((part.estimated for part in self.parts), Decimal(0))

    @property
    def opening(self) -> RegisterValue | None:
        """Its first register."""
        return self.parts[0].opening if self.parts else None

    @property
    def closing(self) -> RegisterValue | None:
        """Its last register."""
        return self.parts[-1].closing if self.parts else None


class _Device(Struct, frozen=True):
    id: int
    gateway_id: int
    label: str
    unit: str
    is_own: bool
    first_day: date | None
    last_day: date | None


def count_devices(question: StatementQuestion, zone: Zone) -> list[DeviceStatement]:
    """The devices with their parts, one row for each unit that a device had. Raises
    `StatementError`."""
    devices = _read_devices(question)
    meters = _read_meters([device.id for device in devices])
    period = Period(question.account_id, zone, question.since, question.until)
    moves = read_own_times(question.account_id, [device.gateway_id for device in devices])
    own = {
        device.id: _find_own_times(device, moves.get(device.gateway_id), zone=zone)
        for device in devices
    }
    found = count_parts(period, meters, own)
    rows = []
    for device in devices:
        if device.id not in found:  # it counts nothing
            continue
        parts = _hide_foreign(found[device.id], own[device.id], question)
        units = list(dict.fromkeys(part.unit for part in parts)) or [device.unit]
        for unit in units:
            of_unit = [part for part in parts if part.unit == unit]
            rows.append(DeviceStatement(device.id, device.label, unit, device.is_own, of_unit))
    return rows


def _read_devices(question: StatementQuestion) -> list[_Device]:
    devices = question.device_ids
    rows = _fetch(
        Sql.devices,
        {
            "account": question.account_id,
            "is_chosen": question.is_chosen,
            "devices": None if devices is None else list(devices),
            "gateway": question.gateway_id,
            "group": question.group,
            "most": MOST_DEVICES + 1,
        },
    )
    if len(rows) > MOST_DEVICES:
        text = _("there are more than %(most)d devices: choose a group or a gateway")
        raise StatementError("group", text % {"most": MOST_DEVICES})
    return [
        _Device(
            device, gateway_id, f"{gateway}/{code} {name}".rstrip() if is_own else f"#{device}",
            unit, is_own, first_day, last_day,
        )
        for device, gateway_id, gateway, code, name, unit, is_own, first_day, last_day in rows
    ]  # fmt: skip


def _read_meters(device_ids: list[int]) -> dict[int, list[FittedMeter]]:
    meters: dict[int, list[FittedMeter]] = {}
    for device, since, *settings, old, first, unit, serial in _fetch(
        Sql.installations, {"devices": device_ids}
    ):
        installation = Installation(Meter(*settings), since, old, first)
        meters.setdefault(device, []).append(FittedMeter(installation, unit, serial))
    return meters


def _find_own_times(device: _Device, moves: list[OwnTime] | None, *, zone: Zone) -> list[OwnTime]:
    """When the device was the account's: as its moves say, and of older moves no more than the days
    of its values here."""
    if device.first_day is None or device.last_day is None:
        return []
    begin = start_of(device.first_day, zone)
    end = None if device.is_own else start_of(device.last_day + DAY, zone)
    times = [time.cut(begin, end) for time in moves or [OwnTime(None, None)]]
    return [time for time in times if time is not None]


def _hide_foreign(
    parts: list[StatementPart], own: list[OwnTime], question: StatementQuestion
) -> list[StatementPart]:
    """Without what is of a time in which the device was another account's. (The hour of a move is
    one account's as a whole: a part may have something of it and nothing else.)"""
    shown = []
    for part in parts:
        times = [time for time in own if time.overlaps(part.since, part.until)]
        if times or part.total:
            shown.append(part.hide_outside(times, question.since, question.until))
    return shown


def _fetch(statement: LiteralString, parameters: dict[str, Any]) -> list[Any]:
    with connection.cursor() as cursor:
        cursor.execute(statement, parameters)
        return list(cursor.fetchall())
