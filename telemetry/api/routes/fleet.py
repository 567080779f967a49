"""Gateways and devices of an account."""

from typing import Annotated, Any

from ninja import Query, Router
from pydantic import Field

from telemetry.api.auth import ApiRequest, Scope, open_account, opened_by
from telemetry.api.paging import Page, Paging, page_by_id
from telemetry.api.schemas import Assignment, Device, DeviceKind, Gateway
from telemetry.api.selection import find_row, require_gateway
from telemetry.api.values import Flag, Id
from telemetry.models import Assignment as AssignmentRow
from telemetry.models import Device as DeviceRow
from telemetry.models import Gateway as GatewayRow
from telemetry.store.assignments.ends import find_ends

NO_CONTROL = r"^[^\x00-\x1f\x7f]*$"

router = Router(tags=["fleet"])


class GatewayParams(Paging):
    """Which gateways."""

    is_online: Flag | None = None
    is_active: Flag | None = None


class DeviceParams(Paging):
    """Which devices."""

    gateway_id: Id | None = None
    group: Annotated[str | None, Field(max_length=50, pattern=NO_CONTROL)] = None
    kind: DeviceKind | None = None
    is_active: Flag | None = None


@router.get("/accounts/{account_id}/gateways", response=Page[Gateway], **opened_by(Scope.READ))
def list_gateways(request: ApiRequest, *, account_id: Id, params: Query[GatewayParams]) -> Any:
    """The gateways of an account, by id."""
    open_account(request, account_id)
    rows = GatewayRow.objects.filter(account_id=account_id, **params.conditions())
    return page_by_id(rows, request=request, paging=params)


@router.get(
    "/accounts/{account_id}/gateways/{gateway_id}", response=Gateway, **opened_by(Scope.READ)
)
def read_gateway(request: ApiRequest, *, account_id: Id, gateway_id: Id) -> GatewayRow:
    """One gateway."""
    open_account(request, account_id)
    return find_row(GatewayRow.objects.filter(account_id=account_id), gateway_id)


@router.get("/accounts/{account_id}/devices", response=Page[Device], **opened_by(Scope.READ))
def list_devices(request: ApiRequest, *, account_id: Id, params: Query[DeviceParams]) -> Any:
    """The devices of an account, by id."""
    open_account(request, account_id)
    require_gateway(account_id, gateway_id=params.gateway_id)
    rows = DeviceRow.objects.filter(account_id=account_id, **params.conditions())
    return page_by_id(rows, request=request, paging=params)


@router.get("/accounts/{account_id}/devices/{device_id}", response=Device, **opened_by(Scope.READ))
def read_device(request: ApiRequest, *, account_id: Id, device_id: Id) -> DeviceRow:
    """One device."""
    open_account(request, account_id)
    return find_row(DeviceRow.objects.filter(account_id=account_id), device_id)


@router.get(
    "/accounts/{account_id}/assignments", response=Page[Assignment], **opened_by(Scope.READ)
)
def list_assignments(request: ApiRequest, *, account_id: Id, params: Query[Paging]) -> Any:
    """From when until when the account had gateways: those that moved to it, or away from it.

    A reading belongs to the account that had the gateway at the reading's own time. A gateway that
    never moved is not listed.
    """
    open_account(request, account_id)
    rows = AssignmentRow.objects.filter(account_id=account_id)
    page = page_by_id(rows, request=request, paging=params)
    ends = find_ends(account_id, [row.pk for row in page["items"]])
    items = [
        {"id": row.pk, "gateway_id": row.gateway_id, "since": row.since, "until": ends[row.pk]}
        for row in page["items"]
    ]
    return {**page, "items": items}
