"""Dead letters: rejected messages and readings of an account."""

from base64 import b64encode
from typing import Any

from django.db.models import F, Func, IntegerField, Q, QuerySet
from ninja import Query, Router

from telemetry.api.auth import ApiRequest, Scope, open_account, opened_by
from telemetry.api.paging import Page, cut_page, read_cursor, read_micros, write_micros
from telemetry.api.parameters import Paging
from telemetry.api.problems import NotFoundError
from telemetry.api.selection import require_gateway
from telemetry.api.shapes import DeadLetter, DeadLetterWithPayload, LetterState
from telemetry.api.values import Id
from telemetry.core.reasons import Reason
from telemetry.models import DeadLetter as Row

router = Router(tags=["dead letters"])


class Wanted(Paging):
    """Which dead letters."""

    state: LetterState | None = None
    reason: Reason | None = None
    gateway_id: Id | None = None


@router.get(
    "/accounts/{account_id}/dead-letters",
    response=Page[DeadLetter],
    **opened_by(Scope.DEAD_LETTERS),
)
def list_dead_letters(
    request: ApiRequest,
    *,
    account_id: Id,
    wanted: Query[Wanted],
) -> Page[DeadLetter]:
    """Rejected messages and readings, the one that came last first.

    One that comes again moves to the front and counts in `occurrences`. Messages whose gateway is
    not known belong to no account and stand in no list.
    """
    open_account(request, account_id)
    require_gateway(account_id, gateway_id=wanted.gateway_id)
    rows = find_rows(account_id).filter(**wanted.choose())
    key = read_cursor(wanted.cursor, parts=2)
    if key:
        at = read_micros(key[0])
        rows = rows.filter(Q(last_seen__lt=at) | Q(last_seen=at, pk__lt=key[1]), last_seen__lte=at)
    return cut_page(
        Page[DeadLetter],
        list(rows.defer("payload").order_by("-last_seen", "-pk")[: wanted.limit + 1]),
        show=DeadLetter.model_validate,
        key=lambda row: (write_micros(row.last_seen), row.pk),
        request=request,
        limit=wanted.limit,
    )


@router.get(
    "/accounts/{account_id}/dead-letters/{dead_letter_id}",
    response=DeadLetterWithPayload,
    **opened_by(Scope.DEAD_LETTERS),
)
def read_dead_letter(
    request: ApiRequest, *, account_id: Id, dead_letter_id: Id
) -> DeadLetterWithPayload:
    """One rejected message, as it came."""
    open_account(request, account_id)
    row = find_rows(account_id).filter(pk=dead_letter_id).first()
    if row is None:
        raise NotFoundError
    shown = DeadLetter.model_validate(row)
    payload = b64encode(bytes(row.payload)).decode()
    return DeadLetterWithPayload(**shown.model_dump(), payload=payload)


def find_rows(account_id: int) -> "QuerySet[Row, Any]":
    """The account's dead letters, with the size of their payload."""
    size = Func(F("payload"), function="octet_length", output_field=IntegerField())
    return Row.objects.filter(account_id=account_id).annotate(payload_bytes=size)
