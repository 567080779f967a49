"""Findings of an account, and deciding them."""

from typing import Annotated, Any, Literal

from django.db.models import QuerySet
from ninja import Query, Router
from pydantic import BaseModel, ConfigDict, Field

from telemetry.accounts.access import Right
from telemetry.api.auth import ApiRequest, Scope, open_account, opened_by
from telemetry.api.paging import Page, Paging, page_newest_first
from telemetry.api.parameters import OfDevices
from telemetry.api.problems import NOT_POSSIBLE, ProblemError
from telemetry.api.schemas import Finding, FindingRule, FindingState
from telemetry.api.selection import filter_devices, find_row
from telemetry.api.values import Id, Note
from telemetry.findings.deciding import DecisionError, decide_finding
from telemetry.models import Finding as Row

router = Router(tags=["findings"])


class FindingParams(OfDevices, Paging):
    """Which findings."""

    state: FindingState | None = None
    rule: FindingRule | None = None


class Decision(BaseModel):
    """What was decided, and why."""

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={"example": {"state": "accepted", "note": "the pump was tested"}},
    )

    state: Annotated[
        Literal["accepted", "ignored", "open"],
        Field(description="accepted needs a note; open: opens a decided one again"),
    ]
    note: Note = ""


@router.get("/accounts/{account_id}/findings", response=Page[Finding], **opened_by(Scope.READ))
def list_findings(request: ApiRequest, *, account_id: Id, params: Query[FindingParams]) -> Any:
    """Findings of the devices of an account, the one that began last first."""
    open_account(request, account_id)
    rows = filter_devices(find_rows(account_id), account_id, params)
    for name in ("state", "rule"):
        value = getattr(params, name)
        if value is not None:
            rows = rows.filter(**{name: value})
    return page_newest_first(rows, at="since", request=request, paging=params)


@router.get(
    "/accounts/{account_id}/findings/{finding_id}", response=Finding, **opened_by(Scope.READ)
)
def read_finding(request: ApiRequest, *, account_id: Id, finding_id: Id) -> Row:
    """One finding."""
    open_account(request, account_id)
    return find_row(find_rows(account_id), finding_id)


@router.post(
    "/accounts/{account_id}/findings/{finding_id}/decide",
    response=Finding,
    **opened_by(Scope.BILLING_WRITE),
)
def decide_a_finding(request: ApiRequest, *, account_id: Id, finding_id: Id, body: Decision) -> Row:
    """Accept a finding, ignore it, or open it again; for admins and owners.

    To void or substitute its readings, edit them and name the finding in `finding_id`.
    """
    open_account(request, account_id, right=Right.BILLING)
    row = find_row(find_rows(account_id), finding_id)
    try:
        decide_finding(row, state=body.state, user=request.auth.user, note=body.note)
    except DecisionError as error:
        raise ProblemError(NOT_POSSIBLE, f"{error}.") from error
    return find_row(find_rows(account_id), finding_id)


def find_rows(account_id: int) -> "QuerySet[Row]":
    """The account's findings."""
    return Row.objects.filter(account_id=account_id).select_related("decided_by")
