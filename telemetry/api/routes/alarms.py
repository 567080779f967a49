"""Alarms of an account, and acknowledging them."""

from typing import Annotated, Any, Literal

from django.db.models import Q, QuerySet
from ninja import Query, Router
from pydantic import BaseModel, ConfigDict, Field

from telemetry.accounts.access import Right
from telemetry.alarms.acknowledging import acknowledge
from telemetry.api.auth import ApiRequest, Scope, open_account, opened_by
from telemetry.api.paging import Page, cut_page, read_cursor, read_micros, write_micros
from telemetry.api.parameters import OfDevices, Paging
from telemetry.api.problems import NotFoundError
from telemetry.api.selection import select_devices
from telemetry.api.shapes import Alarm
from telemetry.api.values import Id, Note
from telemetry.models import Alarm as Row

STATES = {
    "open": Q(closed_at=None),
    "waiting": Q(closed_at=None, acknowledged_at=None),
    "past": Q(closed_at__isnull=False),
}

router = Router(tags=["alarms"])


class Wanted(OfDevices, Paging):
    """Which alarms."""

    state: Annotated[
        Literal["open", "waiting", "past"] | None,
        Field(description="waiting: open and not acknowledged"),
    ] = None


class Acknowledgement(BaseModel):
    """What is noted with it."""

    model_config = ConfigDict(extra="forbid")

    note: Note = ""


NOTHING_SAID = Acknowledgement()


@router.get("/accounts/{account_id}/alarms", response=Page[Alarm], **opened_by(Scope.READ))
def list_alarms(request: ApiRequest, *, account_id: Id, wanted: Query[Wanted]) -> Page[Alarm]:
    """Open and past alarms, the one that opened last first."""
    open_account(request, account_id)
    rows = find_rows(account_id)
    if wanted.state is not None:
        rows = rows.filter(STATES[wanted.state])
    if wanted.device_id or wanted.gateway_id:
        rows = rows.filter(
            device_id__in=select_devices(
                account_id, device_ids=wanted.device_id, gateway_id=wanted.gateway_id
            )
        )
    key = read_cursor(wanted.cursor, parts=2)
    if key:
        at = read_micros(key[0])
        rows = rows.filter(Q(opened_at__lt=at) | Q(opened_at=at, pk__lt=key[1]), opened_at__lte=at)
    return cut_page(
        Page[Alarm],
        list(rows.order_by("-opened_at", "-pk")[: wanted.limit + 1]),
        show=show_alarm,
        key=lambda row: (write_micros(row.opened_at), row.pk),
        request=request,
        limit=wanted.limit,
    )


@router.get("/accounts/{account_id}/alarms/{alarm_id}", response=Alarm, **opened_by(Scope.READ))
def read_alarm(request: ApiRequest, *, account_id: Id, alarm_id: Id) -> Alarm:
    """One alarm."""
    open_account(request, account_id)
    return show_alarm(find_alarm(account_id, alarm_id=alarm_id))


@router.post(
    "/accounts/{account_id}/alarms/{alarm_id}/acknowledge",
    response=Alarm,
    **opened_by(Scope.ALARMS_WRITE),
)
def acknowledge_alarm(
    request: ApiRequest, *, account_id: Id, alarm_id: Id, said: Acknowledgement = NOTHING_SAID
) -> Alarm:
    """Note that you saw an alarm; for admins and owners.

    Of several acknowledgements the first one is kept, with its note: see `acknowledged_by`.
    Repeating it is harmless.
    """
    open_account(request, account_id, right=Right.OPERATE)
    row = find_alarm(account_id, alarm_id=alarm_id)
    acknowledge(row, user=request.auth.user, note=said.note)
    return show_alarm(find_alarm(account_id, alarm_id=alarm_id))


def find_rows(account_id: int) -> "QuerySet[Row]":
    """The account's alarms."""
    return Row.objects.filter(account_id=account_id).select_related("acknowledged_by")


def find_alarm(account_id: int, *, alarm_id: int) -> Row:
    """One of them. Raises `NotFoundError`."""
    row = find_rows(account_id).filter(pk=alarm_id).first()
    if row is None:
        raise NotFoundError
    return row


def show_alarm(row: Any) -> Alarm:
    """An alarm as it is answered."""
    seen_by = row.acknowledged_by.get_username() if row.acknowledged_by else None
    names = Alarm.model_fields.keys() - {"acknowledged_by"}
    return Alarm(**{name: getattr(row, name) for name in names}, acknowledged_by=seen_by)
