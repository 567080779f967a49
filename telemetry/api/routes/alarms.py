"""Alarms of an account, and acknowledging them."""

from typing import Annotated, Any, Literal

from django.db.models import Q, QuerySet
from ninja import Query, Router
from pydantic import BaseModel, ConfigDict, Field

from telemetry.accounts.access import Right
from telemetry.alarms.acknowledging import acknowledge
from telemetry.api.auth import ApiRequest, Scope, open_account, opened_by
from telemetry.api.paging import Page, Paging, page_newest_first
from telemetry.api.parameters import OfDevices
from telemetry.api.schemas import Alarm
from telemetry.api.selection import filter_devices, find_row
from telemetry.api.values import Id, Note
from telemetry.models import Alarm as Row

STATES = {
    "open": Q(closed_at=None),
    "waiting": Q(closed_at=None, acknowledged_at=None),
    "past": Q(closed_at__isnull=False),
}

router = Router(tags=["alarms"])


class AlarmParams(OfDevices, Paging):
    """Which alarms."""

    state: Annotated[
        Literal["open", "waiting", "past"] | None,
        Field(description="waiting: open and not acknowledged"),
    ] = None


class Acknowledgement(BaseModel):
    """The note of an acknowledgement."""

    model_config = ConfigDict(extra="forbid")

    note: Note = ""


NO_NOTE = Acknowledgement()


@router.get("/accounts/{account_id}/alarms", response=Page[Alarm], **opened_by(Scope.READ))
def list_alarms(request: ApiRequest, *, account_id: Id, params: Query[AlarmParams]) -> Any:
    """Open and past alarms, the one that opened last first."""
    open_account(request, account_id)
    rows = filter_devices(find_rows(account_id), account_id, params)
    if params.state is not None:
        rows = rows.filter(STATES[params.state])
    return page_newest_first(rows, at="opened_at", request=request, paging=params)


@router.get("/accounts/{account_id}/alarms/{alarm_id}", response=Alarm, **opened_by(Scope.READ))
def read_alarm(request: ApiRequest, *, account_id: Id, alarm_id: Id) -> Row:
    """One alarm."""
    open_account(request, account_id)
    return find_row(find_rows(account_id), alarm_id)


@router.post(
    "/accounts/{account_id}/alarms/{alarm_id}/acknowledge",
    response=Alarm,
    **opened_by(Scope.ALARMS_WRITE),
)
def acknowledge_alarm(
    request: ApiRequest, *, account_id: Id, alarm_id: Id, body: Acknowledgement = NO_NOTE
) -> Row:
    """Note that you saw an alarm; for admins and owners.

    Of several acknowledgements the first one is kept, with its note: see `acknowledged_by`.
    Repeating it is harmless.
    """
    open_account(request, account_id, right=Right.OPERATE)
    row = find_row(find_rows(account_id), alarm_id)
    acknowledge(row, user=request.auth.user, note=body.note)
    return find_row(find_rows(account_id), alarm_id)


def find_rows(account_id: int) -> "QuerySet[Row]":
    """The account's alarms."""
    return Row.objects.filter(account_id=account_id).select_related("acknowledged_by")
