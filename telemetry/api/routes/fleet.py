"""Gateways and devices of an account."""

from ninja import Query, Router

from telemetry.api.auth import ApiRequest, Scope, open_account, opened_by
from telemetry.api.paging import Page, page_by_id
from telemetry.api.parameters import Paging
from telemetry.api.problems import NotFoundError
from telemetry.api.selection import require_gateway
from telemetry.api.shapes import Device, DeviceKind, Gateway
from telemetry.api.values import Flag, Id
from telemetry.models import Device as DeviceRow
from telemetry.models import Gateway as GatewayRow

router = Router(tags=["fleet"])


class WantedGateways(Paging):
    """Which gateways."""

    is_online: Flag | None = None
    is_active: Flag | None = None


class WantedDevices(Paging):
    """Which devices."""

    gateway_id: Id | None = None
    kind: DeviceKind | None = None
    is_active: Flag | None = None


@router.get("/accounts/{account_id}/gateways", response=Page[Gateway], **opened_by(Scope.READ))
def list_gateways(
    request: ApiRequest,
    *,
    account_id: Id,
    wanted: Query[WantedGateways],
) -> Page[Gateway]:
    """The gateways of an account, by id."""
    open_account(request, account_id)
    rows = GatewayRow.objects.filter(account_id=account_id)
    return page_by_id(
        Page[Gateway],
        rows.filter(**wanted.choose()),
        show=Gateway.model_validate,
        request=request,
        cursor=wanted.cursor,
        limit=wanted.limit,
    )


@router.get(
    "/accounts/{account_id}/gateways/{gateway_id}", response=Gateway, **opened_by(Scope.READ)
)
def read_gateway(request: ApiRequest, *, account_id: Id, gateway_id: Id) -> Gateway:
    """One gateway."""
    open_account(request, account_id)
    row = GatewayRow.objects.filter(account_id=account_id, pk=gateway_id).first()
    if row is None:
        raise NotFoundError
    return Gateway.model_validate(row)


@router.get("/accounts/{account_id}/devices", response=Page[Device], **opened_by(Scope.READ))
def list_devices(
    request: ApiRequest,
    *,
    account_id: Id,
    wanted: Query[WantedDevices],
) -> Page[Device]:
    """The devices of an account, by id."""
    open_account(request, account_id)
    require_gateway(account_id, gateway_id=wanted.gateway_id)
    rows = DeviceRow.objects.filter(account_id=account_id)
    return page_by_id(
        Page[Device],
        rows.filter(**wanted.choose()),
        show=Device.model_validate,
        request=request,
        cursor=wanted.cursor,
        limit=wanted.limit,
    )


@router.get("/accounts/{account_id}/devices/{device_id}", response=Device, **opened_by(Scope.READ))
def read_device(request: ApiRequest, *, account_id: Id, device_id: Id) -> Device:
    """One device."""
    open_account(request, account_id)
    row = DeviceRow.objects.filter(account_id=account_id, pk=device_id).first()
    if row is None:
        raise NotFoundError
    return Device.model_validate(row)
