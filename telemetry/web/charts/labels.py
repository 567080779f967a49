"""Labels of devices on pages."""

from collections.abc import Collection

from telemetry.models import Device


def label_device(device: Device) -> str:
    """Its name, or its code, and where it is. The gateway must be loaded."""
    return format_label(device.name, device.gateway.code, device.code)


def format_label(name: str, gateway_code: str, code: str) -> str:
    """The same from its parts."""
    location = f"{gateway_code}/{code}"
    return f"{name} \u00b7 {location}" if name else location


def find_devices(account_id: int, *, ids: Collection[int]) -> dict[int, Device]:
    """Those that are the account's, by id, with their gateways. One query; none for no ids."""
    if not ids:
        return {}
    devices = Device.objects.filter(account_id=account_id, pk__in=ids).select_related("gateway")
    return {device.pk: device for device in devices}
