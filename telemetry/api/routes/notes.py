"""Notes of members on days of devices."""

from typing import Any

from ninja import Query, Router

from telemetry.api.auth import ApiRequest, Scope, open_account, opened_by
from telemetry.api.paging import Page, Paging, page_by_id
from telemetry.api.parameters import OfDevices
from telemetry.api.schemas import DayNote
from telemetry.api.selection import filter_devices
from telemetry.api.values import Id
from telemetry.models import DayNote as Row

router = Router(tags=["fleet"])


class NoteParams(OfDevices, Paging):
    """Which notes."""


@router.get("/accounts/{account_id}/notes", response=Page[DayNote], **opened_by(Scope.READ))
def list_notes(request: ApiRequest, *, account_id: Id, params: Query[NoteParams]) -> Any:
    """What members wrote down about days of devices, in the order in which they did."""
    open_account(request, account_id)
    rows = Row.objects.filter(account_id=account_id).select_related("created_by")
    return page_by_id(filter_devices(rows, account_id, params), request=request, paging=params)
