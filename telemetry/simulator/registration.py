"""Register the simulated fleet, or find one that is registered. Repeatable."""

from collections import defaultdict
from dataclasses import replace
from datetime import UTC, datetime, timedelta

from django.db import transaction
from django.db.models import Min, QuerySet

from telemetry.models import Account, Device, Gateway
from telemetry.models.fleet import DEFAULT_MAX_DEVICES
from telemetry.simulator.demo_events import Replacement, list_events
from telemetry.simulator.simulated_fleet import (
    SIMULATED_MAC_PREFIX,
    SimulatedDevice,
    SimulatedFleet,
    SimulatedGateway,
    SimulatorError,
    simulated_mac,
)

ACCOUNT_NAME = "Simulated fleet"
DEMO_MAC_PREFIX = "02:00:"
INACTIVE_NUMBER = 0xFFFFFF
INACTIVE_CODE = "OLD"
ROWS_AT_ONCE = 2_000

# What the devices of a simulated gateway are, in turn.
DEVICES = (
    {"name": "Energy meter", "kind": "meter", "measurement": "delta", "unit": "kWh"},
    {"name": "Water meter", "kind": "meter", "measurement": "delta", "unit": "m³"},
    {"name": "Temperature", "kind": "sensor", "measurement": "gauge", "unit": "°C"},
)


def device_code(place: int) -> str:
    """The code of a simulated gateway's device; the first is D01."""
    return f"D{place + 1:02d}"


def register_fleet(
    *, gateways_count: int, devices_count: int, account_name: str = ACCOUNT_NAME, first: int = 0
) -> SimulatedFleet:
    """Have `gateways_count` gateways with `devices_count` devices in an account of their own.

    Beside them one deactivated gateway and one deactivated device, whose messages are rejected.
    `first` is the number of the first gateway: two accounts share none.
    """
    macs = [simulated_mac(first + number) for number in range(gateways_count)]
    with transaction.atomic():
        account, _ = Account.objects.get_or_create(name=account_name)
        _create_gateways(account, macs, max_devices=max(DEFAULT_MAX_DEVICES, devices_count + 1))
        _create_devices(account, macs[0], devices_count=devices_count)
    codes = [device_code(place) for place in range(devices_count)]
    found = _load(
        Device.objects.filter(
            code__in=codes, gateway__account=account, gateway__mac__startswith=SIMULATED_MAC_PREFIX
        ),
        macs=set(macs),
    )
    whole = tuple(gateway for gateway in found if len(gateway.devices) == devices_count)
    if len(whole) < gateways_count:
        raise SimulatorError(
            f"--gateways {gateways_count}: only {len(whole)} gateways of the account "
            f"{account_name!r} are active with all their devices; activate them in the admin"
        )
    return SimulatedFleet(whole, simulated_mac(INACTIVE_NUMBER), macs[0], INACTIVE_CODE)


def find_demo_fleet() -> SimulatedFleet:
    """The active gateways of the demo fleet, with all their active devices. One register was
    replaced, in the past that the fleet may have been given."""
    gateways = _load(Device.objects.filter(gateway__mac__startswith=DEMO_MAC_PREFIX))
    if not gateways:
        raise SimulatorError(
            f"--fleet demo: no active gateway has a MAC that starts with {DEMO_MAC_PREFIX!r}; "
            "load one with: manage.py load_fleet telemetry/fleet/demo.json"
        )
    replacement = list_events(find_registration()).replacement
    return SimulatedFleet(tuple(_replace_meter(gateway, replacement) for gateway in gateways))


def find_registration() -> datetime:
    """When the demo fleet's accounts were registered. Raises `SimulatorError` without a fleet."""
    accounts = Account.objects.filter(gateways__mac__startswith=DEMO_MAC_PREFIX)
    registered_at: datetime | None = accounts.aggregate(at=Min("created_at"))["at"]
    if registered_at is None:
        raise SimulatorError("no demo fleet is registered: manage.py load_fleet loads one")
    return registered_at


def _replace_meter(gateway: SimulatedGateway, event: Replacement) -> SimulatedGateway:
    if gateway.mac != event.mac:
        return gateway
    at_us = (event.at - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(microseconds=1)
    devices = (
        replace(device, replaced_at_us=at_us) if device.code == event.code else device
        for device in gateway.devices
    )
    return replace(gateway, devices=tuple(devices))


def _create_gateways(account: Account, macs: list[str], *, max_devices: int) -> None:
    active = [
        Gateway(
            account=account,
            code=f"SIM-{number + 1:06d}",
            mac=mac,
            name=f"Simulated gateway {number + 1}",
            max_devices=max_devices,
        )
        for number, mac in enumerate(macs)
    ]
    inactive = Gateway(
        account=account,
        code="SIM-CLOSED",
        mac=simulated_mac(INACTIVE_NUMBER),
        name="Deactivated simulated gateway",
        is_active=False,
    )
    Gateway.objects.bulk_create([*active, inactive], batch_size=ROWS_AT_ONCE, ignore_conflicts=True)


def _create_devices(account: Account, first_mac: str, *, devices_count: int) -> None:
    """Give every gateway of the account the devices that it lacks; the first one an old one too."""
    gateways = Gateway.objects.filter(account=account, is_active=True)
    known = set(Device.objects.filter(account=account).values_list("gateway_id", "code"))
    devices = [
        Device(
            gateway_id=gateway_id,
            account=account,
            code=device_code(place),
            **DEVICES[place % len(DEVICES)],
        )
        for gateway_id in gateways.values_list("id", flat=True)
        for place in range(devices_count)
        if (gateway_id, device_code(place)) not in known
    ]
    first = gateways.filter(mac=first_mac).values_list("id", flat=True).first()
    if first is not None and (first, INACTIVE_CODE) not in known:
        devices.append(
            Device(
                gateway_id=first,
                account=account,
                code=INACTIVE_CODE,
                name="Old meter",
                unit="kWh",
                is_active=False,
            )
        )
    Device.objects.bulk_create(devices, batch_size=ROWS_AT_ONCE, ignore_conflicts=True)


def _load(
    devices: QuerySet[Device], *, macs: set[str] | None = None
) -> tuple[SimulatedGateway, ...]:
    rows = devices.filter(
        is_active=True, gateway__is_active=True, gateway__account__is_active=True
    ).order_by("gateway__mac", "code")
    by_mac: defaultdict[str, list[SimulatedDevice]] = defaultdict(list)
    for mac, key, code, measurement, unit, kind in rows.values_list(
        "gateway__mac", "id", "code", "measurement", "unit", "kind"
    ).iterator(chunk_size=ROWS_AT_ONCE):
        if macs is None or mac in macs:
            by_mac[mac].append(SimulatedDevice(key, code, measurement, unit, kind == "meter"))
    return tuple(SimulatedGateway(mac, tuple(found)) for mac, found in by_mac.items())
