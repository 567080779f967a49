"""Register a gateway from its dead letters: which devices it sends, and as what."""

from collections.abc import Iterable
from decimal import Decimal, InvalidOperation
from itertools import pairwise
from typing import Any

from django.db import transaction
from msgspec import Struct

from telemetry.core.fleet_cache import DeviceEntry, GatewayEntry
from telemetry.core.payload import decode_payload
from telemetry.core.reasons import RejectedError
from telemetry.core.texts import choose_unit
from telemetry.fleet.macs import check_mac_free
from telemetry.models import Account, DeadLetter, Device, Gateway

MOST_READ = 200
LEVEL_UNITS = frozenset(
    {"°C", "°F", "K", "%", "V", "A", "Hz", "bar", "kPa", "Pa", "ppm", "kW", "W"}
)
LEAST_VALUES = 3
STEP_SHARE = 20
"""A register's steps are small beside it: less than this part of its value."""
Measurement = Device.Measurement


class FoundDevice(Struct, frozen=True):
    """A device that the payloads name. `measurement` is a guess by its values."""

    code: str
    unit: str
    measurement: str
    kind: str
    newest: str


def list_devices(mac: str) -> list[FoundDevice]:
    """The devices that the newest waiting messages of a MAC name, by code."""
    waiting = DeadLetter.objects.filter(mac=mac, state=DeadLetter.State.PENDING)
    rows = waiting.order_by("-last_seen", "-id")[:MOST_READ]
    return find_devices(bytes(row.payload) for row in rows)


def find_devices(payloads: Iterable[bytes]) -> list[FoundDevice]:
    """The same of payloads, the newest first. What cannot be read is left out."""
    values: dict[str, list[tuple[str, str, str]]] = {}
    for payload in payloads:
        try:
            decoded = decode_payload(payload)
        except RejectedError:
            continue
        for item in decoded.items:
            if not isinstance(item, RejectedError):
                text = bytes(item.value).decode().strip('"')
                values.setdefault(item.code, []).append((decoded.timestamp, text, item.unit))
    return [_describe(code, sorted(found)) for code, found in sorted(values.items())]


def guess_measurement(values: list[Decimal], *, unit: str) -> str:
    """A level by its unit; a register when it only grows, slowly for its size; else consumption
    since the last reading. `values` in the order of their times."""
    if unit in LEVEL_UNITS:
        return Measurement.GAUGE
    pairs = list(pairwise(values))
    grows = all(a <= b and (b - a) * STEP_SHARE <= max(b, Decimal(1)) for a, b in pairs)
    is_register = len(set(values)) >= LEAST_VALUES and grows and min(values) > 0
    return Measurement.CUMULATIVE if is_register else Measurement.DELTA


def as_if_registered(mac: str, devices: Iterable[Device]) -> dict[str, GatewayEntry]:
    """The fleet as it would be, for a dry run. Keys of 0 are nobody's."""
    entries = {
        device.code: DeviceEntry(
            -number, is_active=True, is_meter=device.kind == Device.Kind.METER, unit=device.unit
        )
        for number, device in enumerate(devices, 1)
    }
    return {mac: GatewayEntry(0, 0, mac, True, entries)}  # noqa: FBT003 - msgspec's


@transaction.atomic
def register_gateway(
    *, account: Account, mac: str, code: str, name: str, devices: Iterable[Device]
) -> Gateway:
    """Register a gateway with its devices. What waits for it is then sent again by itself. Raises
    `ValidationError`."""
    chosen = list(devices)
    gateway = Gateway(account=account, mac=mac, code=code, name=name)
    gateway.max_devices = max(gateway.max_devices, len(chosen))
    gateway.full_clean()
    check_mac_free(gateway)
    gateway.save()
    for device in chosen:
        device.gateway, device.account = gateway, account
        device.full_clean()
        device.save()
    return gateway


def _describe(code: str, found: list[tuple[str, str, str]]) -> FoundDevice:
    unit = choose_unit("", found[-1][2]) or ""
    values = [number for _at, text, _unit in found if (number := _read(text)) is not None]
    measurement = guess_measurement(values, unit=unit)
    kind = Device.Kind.SENSOR if measurement == Measurement.GAUGE else Device.Kind.METER
    return FoundDevice(code, unit, measurement, kind, f"{found[-1][1]} {found[-1][2]}")


def _read(text: str) -> Any:
    try:
        value = Decimal(text)
    except InvalidOperation:
        return None
    return value if value.is_finite() else None
