"""Devices that moved to another account, as the account that had them may see them: what is stored
of its own time, by their numbers and the names that its closed months keep. What they are called
now, and how they measure now, is the other account's."""

from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta

from msgspec import Struct

from telemetry.core.consumption import start_of
from telemetry.installations.changing import list_until
from telemetry.models import Account, ClosedLine, DailyAggregate, Device, Gateway
from telemetry.store.assignments.former import list_former_ids
from telemetry.store.reads.own_times import OwnTime, read_device_times

DAY = timedelta(days=1)


class Former(Struct, frozen=True):
    """A device that was the account's; never saved. `assigned`: when its gateway was, where that
    is known. `times`: when its values are the account's."""

    device: Device
    assigned: Sequence[OwnTime]
    times: Sequence[OwnTime]


def find_former(account: Account, device_id: int) -> Former | None:
    """The device; None: it never was the account's, or it is."""
    if device_id not in list_former_ids(account.pk, among=[device_id]):
        return None
    row = Device.objects.get(pk=device_id)
    _first_day, assigned = read_device_times(
        account.pk, device_id=row.pk, gateway_id=row.gateway_id
    )
    times = assigned or [OwnTime(None, _find_end(account, row))]
    [device] = name_formers(account, [row.pk])
    gateway = device.gateway
    gateway.pk = row.gateway_id
    device.gateway = gateway
    end = times[-1].until
    meter = list_until(row, before=end).first() if end else None
    if meter is not None:
        device.measurement, device.unit = meter.measurement, meter.unit
        device.interval_s, device.register_modulus = meter.interval_s, meter.register_modulus
    return Former(device, assigned, times)


def name_formers(account: Account, device_ids: Iterable[int]) -> list[Device]:
    """Devices, not to be saved, by the names that the account's last closed month has of them, else
    by their numbers."""
    ids = list(device_ids)
    lines = ClosedLine.objects.filter(account_id=account.pk, device_id__in=ids).exclude(code="")
    named = {line.device_id: line for line in lines.order_by("month")}
    return [_name(account, device_id, named.get(device_id)) for device_id in ids]


def _name(account: Account, device_id: int, line: ClosedLine | None) -> Device:
    number = f"#{device_id}"
    if line is None:
        gateway = Gateway(account=account, code="")
        return Device(pk=device_id, account=account, gateway=gateway, code=number, name=number)
    gateway = Gateway(account=account, code=line.gateway_code, name=line.gateway_name)
    return Device(
        pk=device_id, account=account, gateway=gateway, code=line.code, name=line.name,
        kind=line.kind,
    )  # fmt: skip


def _find_end(account: Account, row: Device) -> datetime | None:
    """The end of the last day on which it has values here: its move is older than the table of
    assignments."""
    days = DailyAggregate.objects.filter(account_id=account.pk, device_id=row.pk)
    last_day = days.order_by("-day").values_list("day", flat=True).first()
    return None if last_day is None else start_of(last_day + DAY, account.zone)
