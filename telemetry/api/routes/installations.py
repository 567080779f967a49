"""The meters at a device: list, preview a change, enter one, undo one."""

from collections.abc import Callable
from datetime import datetime
from decimal import Decimal
from typing import Annotated, Any

from ninja import Query, Router
from pydantic import BaseModel, ConfigDict, Field

from telemetry.accounts.access import Right
from telemetry.api.auth import ApiRequest, Scope, open_account, opened_by
from telemetry.api.paging import Page, Paging, page_by_id
from telemetry.api.problems import NOT_POSSIBLE, ProblemError
from telemetry.api.routes.edits import Instant, Number
from telemetry.api.schemas import Installation, InstallationPreview, StampKind
from telemetry.api.selection import find_row
from telemetry.api.values import Id
from telemetry.core.measurement import Measurement
from telemetry.installations.changing import (
    MeterChange,
    change_meter,
    plan_change,
    preview,
    undo_change,
)
from telemetry.installations.own import check_is_own, hide_former, list_own
from telemetry.installations.texts import InstallationError
from telemetry.models import Device
from telemetry.models import Installation as Row
from telemetry.store.installations.preview import Preview

router = Router(tags=["meters"])

DEVICE = "/accounts/{account_id}/devices/{device_id}/installations"
Factor = Annotated[str, Field(pattern=r"^[0-9]{1,6}(\.[0-9]{1,6})?$", description="as text")]
Text = Annotated[str, Field(max_length=100)]


class NewInstallation(BaseModel):
    """A meter from `since` on, with everything that it measures by. Registers may be left out where
    a reading of that very instant says what they were."""

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={
            "example": {
                "since": "2026-11-02T12:00:00Z", "measurement": "cumulative", "unit": "kWh",
                "old_register": "7010", "first_register": "0", "serial": "A-17",
            }
        },
    )  # fmt: skip

    since: Instant
    measurement: Measurement
    unit: Annotated[str, Field(max_length=10)]
    factor: Factor = "1"
    register_modulus: Number | None = None
    interval_s: Annotated[int | None, Field(ge=1, le=2**31 - 1, strict=True)] = None
    is_net: Annotated[bool, Field(strict=True)] = False
    stamp: StampKind = "end"
    largest_rate: Number | None = None
    old_register: Number | None = None
    first_register: Number | None = None
    model: Text = ""
    serial: Text = ""
    note: Annotated[str, Field(max_length=500)] = ""

    @property
    def change(self) -> MeterChange:
        """With numbers as such."""
        values = {name: getattr(self, name) for name in MeterChange.__struct_fields__}
        for name in (
            "factor",
            "register_modulus",
            "largest_rate",
            "old_register",
            "first_register",
        ):
            values[name] = None if values[name] is None else Decimal(values[name])
        return MeterChange(**values)


@router.get(DEVICE, response=Page[Installation], **opened_by(Scope.READ))
def list_installations(
    request: ApiRequest, *, account_id: Id, device_id: Id, params: Query[Paging]
) -> Any:
    """The meters of a device, those that were undone among them, by id.

    Of one that was another account's before, those since it is this one's, and the one that was
    there then.
    """
    open_account(request, account_id)
    devices = Device.objects.filter(account_id=account_id).select_related("account")
    device = find_row(devices, device_id)
    rows, times = list_own(device)
    rows = rows.select_related("created_by", "undone_by")
    page = page_by_id(rows, request=request, paging=params)
    return {**page, "items": [hide_former(row, times) for row in page["items"]]}


@router.post(DEVICE, response=Installation, **opened_by(Scope.BILLING_WRITE))
def change_a_meter(
    request: ApiRequest, *, account_id: Id, device_id: Id, body: NewInstallation
) -> Row:
    """Change the meter of a device, or how it measures, from an instant on; for admins and owners.

    Totals follow with the next refresh; a closed month keeps what was billed, and the difference
    becomes an adjustment.
    """
    device = _find_device(request, account_id, device_id)
    user = request.auth.user
    return _do(device, body.since, lambda: change_meter(device, body.change, user=user))


@router.post(f"{DEVICE}/preview", response=InstallationPreview, **opened_by(Scope.BILLING_WRITE))
def preview_a_change(
    request: ApiRequest, *, account_id: Id, device_id: Id, body: NewInstallation
) -> Preview:
    """What a change of the meter would do to open and closed months; nothing is entered."""
    device = _find_device(request, account_id, device_id)
    found: Preview = _try(
        device, body.since, lambda: preview(plan_change(device, body.change, user=None))
    )
    return found


@router.post(
    f"{DEVICE}/{{installation_id}}/undo", response=Installation, **opened_by(Scope.BILLING_WRITE)
)
def undo_a_change(
    request: ApiRequest, *, account_id: Id, device_id: Id, installation_id: Id
) -> Row:
    """Let the meter before go on, as if there had been no change; for admins and owners."""
    device = _find_device(request, account_id, device_id)
    row = find_row(Row.objects.filter(device=device), installation_id)
    row.device = device
    return _do(device, row.since, lambda: undo_change(row, user=request.auth.user))


def _find_device(request: ApiRequest, account_id: int, device_id: int) -> Device:
    open_account(request, account_id, right=Right.BILLING)
    rows = Device.objects.filter(account_id=account_id).select_related("account")
    return find_row(rows, device_id)


def _do(device: Device, since: datetime | None, change: Callable[[], Row]) -> Row:
    rows = Row.objects.filter(device=device).select_related("created_by", "undone_by")
    return find_row(rows, _try(device, since, change).pk)


def _try(device: Device, since: datetime | None, change: Callable[[], Any]) -> Any:
    """The result. Raises `ProblemError` with what hinders it."""
    try:
        check_is_own(device, since=since)
        return change()
    except InstallationError as error:
        raise ProblemError(NOT_POSSIBLE, f"{error}.") from error
