"""Hours, days and billing months of devices. All are as of the last refresh."""

from datetime import date, timedelta
from typing import Any

from ninja import Query, Router

from telemetry.api.auth import ApiRequest, Scope, open_account, opened_by
from telemetry.api.paging import (
    Page,
    cut_page,
    read_cursor,
    read_micros,
    read_ordinal,
    write_micros,
)
from telemetry.api.parameters import PagesOfDays, PagesOfInstants
from telemetry.api.periods import choose_days, choose_instants
from telemetry.api.schemas import Day, Hour, Month
from telemetry.api.selection import add_former_devices, select_devices
from telemetry.api.values import Id
from telemetry.store.reads.aggregate_pages import DAYS, HOURS, MONTHS, Series, read_page

WEEK, MONTH, YEAR = timedelta(days=7), timedelta(days=31), timedelta(days=366)

router = Router(tags=["consumption"])


@router.get("/accounts/{account_id}/aggregates/hours", response=Page[Hour], **opened_by(Scope.READ))
def list_hours(request: ApiRequest, *, account_id: Id, params: Query[PagesOfInstants]) -> Any:
    """UTC hours with readings, by device and hour.

    Those that begin in the period: without `since` or `until` the last week, at most 93 days.
    """
    open_account(request, account_id)
    since, until = choose_instants(params.since, params.until, usual=WEEK, longest=HOURS.longest)
    return _list(HOURS, request, account_id, params, since=since, until=until)


@router.get("/accounts/{account_id}/aggregates/days", response=Page[Day], **opened_by(Scope.READ))
def list_days(request: ApiRequest, *, account_id: Id, params: Query[PagesOfDays]) -> Any:
    """Local days with readings, by device and day.

    Without `first` or `until`: the last 31 days; at most 1,830 days. Days of a closed month are
    live totals: what was billed is the month's total.
    """
    return _list_days(DAYS, request, account_id, params, usual=MONTH)


@router.get("/accounts/{account_id}/months", response=Page[Month], **opened_by(Scope.READ))
def list_months(request: ApiRequest, *, account_id: Id, params: Query[PagesOfDays]) -> Any:
    """Billing months with readings, by device and month.

    Those that begin in the period: without `first` or `until` the last year, at most 18,300 days.
    """
    return _list_days(MONTHS, request, account_id, params, usual=YEAR)


def _list_days(
    series: Series[Any],
    request: ApiRequest,
    account_id: int,
    params: PagesOfDays,
    *,
    usual: timedelta,
) -> dict[str, Any]:
    zone = open_account(request, account_id).account.time_zone
    first, until = choose_days(
        params.first, params.until, zone=zone, usual=usual, longest=series.longest
    )
    return _list(series, request, account_id, params, first=first, until=until)


def _list(
    series: Series[Any],
    request: ApiRequest,
    account_id: int,
    params: PagesOfInstants | PagesOfDays,
    **period: Any,
) -> dict[str, Any]:
    write, read = (write_micros, read_micros) if series is HOURS else (date.toordinal, read_ordinal)
    start, until = period.values()
    key = read_cursor(params.cursor, parts=2)
    device_ids = select_devices(account_id, params)
    if series is MONTHS:
        device_ids = add_former_devices(device_ids, account_id, params)
    rows = read_page(
        series,
        account_id,
        device_ids=device_ids,
        since=start,
        until=until,
        rows=params.limit + 1,
        after=(key[0], read(key[1])) if key else None,
    )
    return cut_page(
        rows, key=lambda row: (row[0], write(row[1])), request=request, paging=params, **period
    )
