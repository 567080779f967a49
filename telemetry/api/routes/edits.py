"""Edits of readings: list, make, undo, approve; take the value of a conflict."""

from collections.abc import Callable
from datetime import datetime
from decimal import Decimal
from typing import Annotated, Any, Literal

from django.db.models import QuerySet
from django.utils.translation import gettext_noop
from ninja import Query, Router
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field

from telemetry.accounts.access import Right
from telemetry.api.auth import ApiRequest, Scope, open_account, opened_by
from telemetry.api.paging import Page, Paging, page_newest_first
from telemetry.api.parameters import OfDevices
from telemetry.api.problems import NOT_POSSIBLE, ProblemError
from telemetry.api.schemas import Edit, EditState
from telemetry.api.selection import filter_devices, find_row
from telemetry.api.values import Id, Reason, read_instant
from telemetry.edits.conflicts import take_value
from telemetry.edits.editing import Change, approve_edit, reject_edit, request_edit, undo_edit
from telemetry.models import DeadLetter, Device, Finding
from telemetry.models import Edit as Row
from telemetry.store.edits.apply import EditError

router = Router(tags=["edits"])

Instant = Annotated[datetime, BeforeValidator(read_instant)]
Number = Annotated[str, Field(pattern=r"^-?[0-9]{1,11}(\.[0-9]{1,4})?$", description="as text")]
Factor = Annotated[str, Field(pattern=r"^[0-9]{1,6}(\.[0-9]{1,8})?$", description="as text")]


class EditParams(OfDevices, Paging):
    """Which edits."""

    state: EditState | None = None


class NewEdit(BaseModel):
    """What to do with the readings of a device from `since` to `until`, both included."""

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={
            "example": {
                "since": "2026-11-02T12:00:00Z", "kind": "substitute", "value": "7",
                "reason": "read at the meter",
            }
        },
    )  # fmt: skip

    since: Instant
    until: Annotated[Instant | None, Field(description="null: the reading at `since` alone")] = None
    kind: Annotated[
        Literal["void", "substitute"],
        Field(description="substitute: with a value or a factor; void: with neither"),
    ]
    value: Number | None = None
    factor: Factor | None = None
    reason: Reason
    finding_id: Annotated[Id | None, Field(description="the finding that it puts right")] = None


class Reasoned(BaseModel):
    """Why."""

    model_config = ConfigDict(
        extra="forbid", json_schema_extra={"example": {"reason": "read at the meter"}}
    )

    reason: Reason


@router.get("/accounts/{account_id}/edits", response=Page[Edit], **opened_by(Scope.READ))
def list_edits(request: ApiRequest, *, account_id: Id, params: Query[EditParams]) -> Any:
    """Edits of readings, the one that was requested last first."""
    open_account(request, account_id)
    rows = filter_devices(find_rows(account_id), account_id, params)
    if params.state is not None:
        rows = rows.filter(state=params.state)
    return page_newest_first(rows, at="requested_at", request=request, paging=params)


@router.get("/accounts/{account_id}/edits/{edit_id}", response=Edit, **opened_by(Scope.READ))
def read_edit(request: ApiRequest, *, account_id: Id, edit_id: Id) -> Row:
    """One edit."""
    open_account(request, account_id)
    return find_row(find_rows(account_id), edit_id)


@router.post(
    "/accounts/{account_id}/devices/{device_id}/edits",
    response=Edit,
    **opened_by(Scope.BILLING_WRITE),
)
def edit_readings(request: ApiRequest, *, account_id: Id, device_id: Id, body: NewEdit) -> Row:
    """Void readings of a device, or give them other values; for admins and owners.

    What was received is kept. Where the account wants a second person, the edit waits for them.
    Totals follow with the next refresh; in a closed month the difference becomes an adjustment.
    """
    account = open_account(request, account_id, right=Right.BILLING).account
    device = find_row(Device.objects.filter(account_id=account_id), device_id)
    finding = None
    if body.finding_id is not None:
        finding = find_row(
            Finding.objects.filter(account_id=account_id, device_id=device_id), body.finding_id
        )
    named = [name for name in ("value", "factor") if getattr(body, name) is not None]
    if len(named) != (body.kind == "substitute"):
        raise ProblemError(
            NOT_POSSIBLE,
            gettext_noop("Expected a value or a factor with substitute, and neither with void."),
        )
    return _do(
        account_id,
        lambda: request_edit(
            account,
            device=device,
            since=body.since,
            until=body.until or body.since,
            change=Change(_read(body.value), _read(body.factor)),
            reason=body.reason,
            user=request.auth.user,
            finding=finding,
        ),
    )


@router.post(
    "/accounts/{account_id}/edits/{edit_id}/undo", response=Edit, **opened_by(Scope.BILLING_WRITE)
)
def undo_an_edit(request: ApiRequest, *, account_id: Id, edit_id: Id, body: Reasoned) -> Row:
    """Give the readings back the values that counted before; for admins and owners.

    Of several edits of one reading the last one is undone first.
    """
    row = _find_to_change(request, account_id, edit_id)
    return _do(account_id, lambda: undo_edit(row, user=request.auth.user, reason=body.reason))


@router.post(
    "/accounts/{account_id}/edits/{edit_id}/approve",
    response=Edit,
    **opened_by(Scope.BILLING_WRITE),
)
def approve_an_edit(request: ApiRequest, *, account_id: Id, edit_id: Id) -> Row:
    """Apply, or undo, what another admin requested; for admins and owners."""
    row = _find_to_change(request, account_id, edit_id)
    return _do(account_id, lambda: approve_edit(row, user=request.auth.user))


@router.post(
    "/accounts/{account_id}/edits/{edit_id}/reject", response=Edit, **opened_by(Scope.BILLING_WRITE)
)
def reject_an_edit(request: ApiRequest, *, account_id: Id, edit_id: Id) -> Row:
    """Drop an edit that waits for approval, or the request to undo it; for admins and owners."""
    row = _find_to_change(request, account_id, edit_id)
    return _do(account_id, lambda: reject_edit(row, user=request.auth.user))


@router.post(
    "/accounts/{account_id}/dead-letters/{dead_letter_id}/take",
    response=Edit,
    **opened_by(Scope.BILLING_WRITE),
)
def take_rejected_value(
    request: ApiRequest, *, account_id: Id, dead_letter_id: Id, body: Reasoned
) -> Row:
    """Take the value that was rejected as `conflicting_reading` instead; for admins and owners."""
    open_account(request, account_id, right=Right.BILLING)
    dead_letter = find_row(DeadLetter.objects.filter(account_id=account_id), dead_letter_id)
    return _do(
        account_id, lambda: take_value(dead_letter, user=request.auth.user, reason=body.reason)
    )


def find_rows(account_id: int) -> "QuerySet[Row]":
    """The account's edits."""
    return Row.objects.filter(account_id=account_id).select_related(
        "requested_by", "decided_by", "undo_requested_by", "undone_by"
    )


def _find_to_change(request: ApiRequest, account_id: int, edit_id: int) -> Row:
    open_account(request, account_id, right=Right.BILLING)
    return find_row(Row.objects.filter(account_id=account_id), edit_id)


def _do(account_id: int, change: Callable[[], Row]) -> Row:
    """The edit after the change. Raises `ProblemError` with what hinders it."""
    try:
        row = change()
    except EditError as error:
        raise ProblemError(NOT_POSSIBLE, f"{error}.") from error
    return find_row(find_rows(account_id), row.pk)


def _read(text: str | None) -> Decimal | None:
    return None if text is None else Decimal(text)
