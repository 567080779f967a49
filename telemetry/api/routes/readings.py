"""Raw readings, page by page."""

from datetime import timedelta
from typing import Literal

from ninja import Query, Router

from telemetry.api.auth import ApiRequest, Scope, open_account, opened_by
from telemetry.api.paging import Page, cut_page, read_cursor, read_micros
from telemetry.api.parameters import PagesOfInstants
from telemetry.api.periods import choose_instants
from telemetry.api.selection import select_devices
from telemetry.api.shapes import Reading
from telemetry.api.values import Id
from telemetry.store.reads.freshness import read_freshness
from telemetry.store.reads.reading_pages import Key, ReadingWalk

LONGEST_OF_ALL = timedelta(days=31)
LONGEST_OF_SOME = timedelta(days=366)
"""A page may have to look through the whole period of every device: so much fits in a moment."""

router = Router(tags=["readings"])


class Wanted(PagesOfInstants):
    """Which readings, in which order."""

    order: Literal["newest", "oldest"] = "newest"


@router.get("/accounts/{account_id}/readings", response=Page[Reading], **opened_by(Scope.READ))
def list_readings(request: ApiRequest, *, account_id: Id, wanted: Query[Wanted]) -> Page[Reading]:
    """The readings of a period, newest first or oldest first.

    Without `until`: up to now. Without `since`: the longest period, which is 366 days when devices
    are named and 31 days for a gateway or a whole account.
    """
    open_account(request, account_id)
    device_ids = select_devices(
        account_id, device_ids=wanted.device_id, gateway_id=wanted.gateway_id
    )
    longest = LONGEST_OF_SOME if wanted.device_id else LONGEST_OF_ALL
    since, until = choose_instants(wanted.since, wanted.until, usual=longest, longest=longest)
    key = read_cursor(wanted.cursor, parts=2)
    walk = ReadingWalk(
        account_id,
        device_ids=device_ids,
        since=since,
        until=until,
        newest_at=read_freshness(account_id).newest_at,
        newest_first=wanted.order == "newest",
        start=Key(read_micros(key[0]), key[1]) if key else None,
    )
    return cut_page(
        Page[Reading],
        walk.read_page(wanted.limit + 1),
        show=Reading.model_validate,
        key=lambda row: (row.time_us, row.device_id),
        request=request,
        limit=wanted.limit,
        since=since,
        until=until,
    )
