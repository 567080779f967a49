"""Consumption by time-of-use band, and the largest demand."""

from datetime import timedelta
from typing import Annotated, Any
from zoneinfo import ZoneInfo

from django.utils import timezone
from ninja import Query, Router
from pydantic import Field

from telemetry.api.auth import ApiRequest, Scope, open_account, opened_by
from telemetry.api.paging import Page, Paging, cut_page, read_cursor
from telemetry.api.parameters import OfDevices
from telemetry.api.problems import ParameterError
from telemetry.api.schemas import DeviceBands
from telemetry.api.selection import select_devices
from telemetry.api.values import First, Id
from telemetry.core.consumption import month_of
from telemetry.store.bands.month import read_band_month

DAY = timedelta(days=1)

router = Router(tags=["consumption"])


class BandParams(OfDevices, Paging):
    """Which month."""

    month: Annotated[
        First | None, Field(description="first day of a billing month; the last one that is over")
    ] = None


@router.get("/accounts/{account_id}/bands", response=Page[DeviceBands], **opened_by(Scope.READ))
def list_bands(request: ApiRequest, *, account_id: Id, params: Query[BandParams]) -> Any:
    """A billing month by device and time-of-use band, as gateways and codes sort.

    The bands of a device add up to its total. `demand` is the most that was consumed in a quarter
    of an hour, times four: of devices that send every 15 minutes or more often.
    """
    account = open_account(request, account_id).account
    today = timezone.localdate(timezone=ZoneInfo(account.time_zone))
    last = month_of(month_of(today, account.billing) - DAY, account.billing)
    month = params.month or last
    if month_of(month, account.billing) != month:
        raise ParameterError("month", "expected the first day of a billing month")
    is_some = bool(params.device_id) or params.gateway_id is not None
    after = read_cursor(params.cursor, parts=1)
    offset = after[0] if after else 0
    rows = read_band_month(
        account_id,
        month=month,
        offset=offset,
        limit=params.limit + 1,
        device_ids=select_devices(account_id, params) if is_some else None,
    )
    return cut_page(
        rows,
        key=lambda _row: (offset + params.limit,),
        request=request,
        paging=params,
        month=month,
    )
