"""The messages and readings of an account that were rejected."""

from typing import Any

from django.db.models import F, Func, IntegerField, QuerySet
from ninja import Query, Router

from telemetry.api.auth import ApiRequest, Scope, open_account, opened_by
from telemetry.api.paging import Page, Paging, page_newest_first
from telemetry.api.schemas import DeadLetter, DeadLetterState, DeadLetterWithPayload
from telemetry.api.selection import find_row, require_gateway
from telemetry.api.values import Id
from telemetry.core.reasons import Reason
from telemetry.models import DeadLetter as Row

router = Router(tags=["dead letters"])


class DeadLetterParams(Paging):
    """Which dead letters."""

    state: DeadLetterState | None = None
    reason: Reason | None = None
    gateway_id: Id | None = None


@router.get(
    "/accounts/{account_id}/dead-letters",
    response=Page[DeadLetter],
    **opened_by(Scope.DEAD_LETTERS),
)
def list_dead_letters(
    request: ApiRequest, *, account_id: Id, params: Query[DeadLetterParams]
) -> Any:
    """Rejected messages and readings, the one that came last first.

    One that comes again moves to the front and counts in `occurrences`. Messages whose gateway is
    not known belong to no account and are in no list.
    """
    open_account(request, account_id)
    require_gateway(account_id, gateway_id=params.gateway_id)
    rows = find_rows(account_id).filter(**params.conditions()).defer("payload")
    return page_newest_first(rows, at="last_seen", request=request, paging=params)


@router.get(
    "/accounts/{account_id}/dead-letters/{dead_letter_id}",
    response=DeadLetterWithPayload,
    **opened_by(Scope.DEAD_LETTERS),
)
def read_dead_letter(request: ApiRequest, *, account_id: Id, dead_letter_id: Id) -> Row:
    """One rejected message, as it came."""
    open_account(request, account_id)
    return find_row(find_rows(account_id), dead_letter_id)


def find_rows(account_id: int) -> "QuerySet[Row, Any]":
    """The account's dead letters, with the size of their payload."""
    size = Func(F("payload"), function="octet_length", output_field=IntegerField())
    return Row.objects.filter(account_id=account_id).annotate(payload_bytes=size)
