"""Billing months of virtual meters."""

from typing import Any

from ninja import Query, Router

from telemetry.api.auth import ApiRequest, Scope, open_account, opened_by
from telemetry.api.paging import Page
from telemetry.api.periods import choose_days
from telemetry.api.routes.totals import YEAR, Days
from telemetry.api.schemas import VirtualMonth
from telemetry.api.values import Id
from telemetry.store.virtual_meters.months import LONGEST, read_virtual_months

router = Router(tags=["consumption"])


@router.get(
    "/accounts/{account_id}/virtual-meters/months",
    response=Page[VirtualMonth],
    **opened_by(Scope.READ),
)
def list_virtual_months(request: ApiRequest, *, account_id: Id, params: Query[Days]) -> Any:
    """Billing months of virtual meters, the newest first, on one page.

    Those that begin in the period: without `first` or `until` the last year, at most 1,860 days.
    """
    zone = open_account(request, account_id).account.time_zone
    first, until = choose_days(params.first, params.until, zone=zone, usual=YEAR, longest=LONGEST)
    return {"items": read_virtual_months(account_id, first=first, until=until), "next": None}
