"""Raw readings, page by page."""

from datetime import timedelta
from typing import Any, Literal

from ninja import Query, Router

from telemetry.api.auth import ApiRequest, Scope, open_account, opened_by
from telemetry.api.paging import Page, cut_page, read_cursor, read_micros
from telemetry.api.parameters import PagesOfInstants
from telemetry.api.periods import choose_instants
from telemetry.api.schemas import Reading
from telemetry.api.selection import select_devices
from telemetry.api.values import Id
from telemetry.store.reads.freshness import read_freshness
from telemetry.store.reads.reading_pages import Key, ReadingWalk

LONGEST_OF_ALL = timedelta(days=31)
LONGEST_OF_SOME = timedelta(days=366)
"""A page may have to look through the whole period of every device: so much fits in a moment."""

router = Router(tags=["readings"])


class ReadingParams(PagesOfInstants):
    """Which readings, in which order."""

    order: Literal["newest", "oldest"] = "newest"


@router.get("/accounts/{account_id}/readings", response=Page[Reading], **opened_by(Scope.READ))
def list_readings(request: ApiRequest, *, account_id: Id, params: Query[ReadingParams]) -> Any:
    """The readings of a period, newest first or oldest first.

    Without `until`: up to now. Without `since`: the longest period, which is 366 days when devices
    are named and 31 days for a gateway or a whole account.
    """
    open_account(request, account_id)
    device_ids = select_devices(account_id, params)
    longest = LONGEST_OF_SOME if params.device_id else LONGEST_OF_ALL
    since, until = choose_instants(params.since, params.until, usual=longest, longest=longest)
    key = read_cursor(params.cursor, parts=2)
    walk = ReadingWalk(
        account_id,
        device_ids=device_ids,
        since=since,
        until=until,
        newest_at=read_freshness(account_id).newest_at,
        newest_first=params.order == "newest",
        start=Key(read_micros(key[0]), key[1]) if key else None,
    )
    return cut_page(
        walk.read_page(params.limit + 1),
        key=lambda row: (row.time_us, row.device_id),
        request=request,
        paging=params,
        since=since,
        until=until,
    )
