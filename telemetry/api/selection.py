"""The devices and gateways that a request names: the account's own, or there are none such."""

from collections.abc import Collection

from telemetry.api.problems import NotFoundError
from telemetry.models import Device, Gateway


def require_gateway(account_id: int, *, gateway_id: int | None) -> None:
    """Raise `NotFoundError` when a gateway is named that is not the account's."""
    if gateway_id is None:
        return
    if not Gateway.objects.filter(account_id=account_id, pk=gateway_id).exists():
        raise NotFoundError


def select_devices(
    account_id: int, *, device_ids: Collection[int] = (), gateway_id: int | None = None
) -> list[int]:
    """Ids of the devices that are meant, in order; all of the account when none is named.

    Raises `NotFoundError` when one of them is not the account's, or not the gateway's.
    """
    require_gateway(account_id, gateway_id=gateway_id)
    rows = Device.objects.filter(account_id=account_id)
    if gateway_id is not None:
        rows = rows.filter(gateway_id=gateway_id)
    if device_ids:
        rows = rows.filter(pk__in=device_ids)
    pks = list(rows.order_by("pk").values_list("pk", flat=True))
    if device_ids and len(pks) != len(set(device_ids)):
        raise NotFoundError
    return pks
