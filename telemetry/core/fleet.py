"""What a worker knows of the fleet: gateways by MAC, with their devices by code."""

from msgspec import Struct


class DeviceEntry(Struct, frozen=True, gc=False):
    """One device as validation needs it. An empty `unit` accepts any unit."""

    id: int
    is_active: bool
    is_meter: bool
    unit: str


class GatewayEntry(Struct, frozen=True):
    """One gateway. `is_active` is false as well when its account is deactivated."""

    id: int
    account_id: int
    mac: str
    is_active: bool
    devices: dict[str, DeviceEntry]
