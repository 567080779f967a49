"""Readings in bulk."""

from datetime import timedelta
from typing import Literal

from django.http import StreamingHttpResponse
from ninja import Query, Router

from telemetry.accounts.exports import PacedStream, SlotsTakenError, take_slot
from telemetry.api.auth import ApiRequest, Scope, open_account, opened_by
from telemetry.api.limits import EXPORTS, count_against
from telemetry.api.parameters import OfInstants
from telemetry.api.periods import choose_instants
from telemetry.api.problems import RATE_LIMITED, ProblemError
from telemetry.api.reading_stream import CSV_HEADER, ReadingStream, render_csv, render_ndjson
from telemetry.api.selection import select_devices
from telemetry.api.values import Id
from telemetry.store.reads.reading_pages import ReadingWalk

USUAL, LONGEST = timedelta(days=31), timedelta(days=366)
FORMATS = {
    "csv": ("text/csv; charset=utf-8", CSV_HEADER, render_csv),
    "ndjson": ("application/x-ndjson", b"", render_ndjson),
}
CONTENT = {
    "text/csv": {"schema": {"type": "string"}},
    "application/x-ndjson": {"schema": {"type": "string"}},
}

router = Router(tags=["readings"])


class ExportParams(OfInstants):
    """Which readings, in which form."""

    format: Literal["csv", "ndjson"] = "csv"


@router.get("/accounts/{account_id}/readings/export", **opened_by(Scope.EXPORT, content=CONTENT))
def export_readings(
    request: ApiRequest, *, account_id: Id, params: Query[ExportParams]
) -> StreamingHttpResponse:
    """The readings of a period as one file, in the order of time and device.

    CSV with a header line, or one JSON object a line. Without `since` or `until`: the last 31 days;
    at most 366 days. The file is whole when the response ends: a connection that breaks is no end.
    """
    open_account(request, account_id)
    device_ids = select_devices(account_id, params)
    since, until = choose_instants(params.since, params.until, usual=USUAL, longest=LONGEST)
    user_id = request.auth.user.pk
    count_against(EXPORTS, request, user_id=user_id)
    walk = ReadingWalk(account_id, device_ids=device_ids, since=since, until=until, newest_at=until)
    media_type, first, render = FORMATS[params.format]
    name = f"readings-{account_id}-{since:%Y%m%dT%H%M%SZ}-{until:%Y%m%dT%H%M%SZ}.{params.format}"
    try:
        slot = take_slot(user_id=user_id, account_id=account_id)
    except SlotsTakenError as error:
        detail = f"There are {error}: wait for one to end."
        raise ProblemError(RATE_LIMITED, detail, headers={"Retry-After": "15"}) from error
    try:
        stream = ReadingStream(walk, first=first, render=render)
    except ProblemError:
        slot.release()
        raise
    return StreamingHttpResponse(
        PacedStream(stream, slot=slot),
        content_type=media_type,
        headers={"Content-Disposition": f'attachment; filename="{name}"'},
    )
