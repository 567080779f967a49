"""Hours, days and billing months of devices. All are as of the last refresh."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

from ninja import Query, Router

from telemetry.api.auth import ApiRequest, Scope, open_account, opened_by
from telemetry.api.paging import (
    Item,
    Page,
    cut_page,
    read_cursor,
    read_micros,
    read_ordinal,
    write_micros,
)
from telemetry.api.parameters import PagesOfDays, PagesOfInstants
from telemetry.api.periods import choose_days, choose_instants
from telemetry.api.selection import select_devices
from telemetry.api.shapes import Day, Hour, Month
from telemetry.api.values import Id
from telemetry.store.reads.aggregate_pages import DAYS, HOURS, MONTHS, Series, read_page

WEEK, MONTH, YEAR = timedelta(days=7), timedelta(days=31), timedelta(days=366)

router = Router(tags=["consumption"])


@router.get("/accounts/{account_id}/aggregates/hours", response=Page[Hour], **opened_by(Scope.READ))
def list_hours(
    request: ApiRequest, *, account_id: Id, wanted: Query[PagesOfInstants]
) -> Page[Hour]:
    """UTC hours with readings, by device and hour.

    Those that begin in the period: without `since` or `until` the last week, at most 93 days.
    """
    open_account(request, account_id)
    device_ids = select_devices(
        account_id, device_ids=wanted.device_id, gateway_id=wanted.gateway_id
    )
    since, until = choose_instants(wanted.since, wanted.until, usual=WEEK, longest=HOURS.longest)
    key = read_cursor(wanted.cursor, parts=2)
    rows = read_page(
        HOURS,
        account_id,
        device_ids=device_ids,
        since=since,
        until=until,
        rows=wanted.limit + 1,
        after=(key[0], read_micros(key[1])) if key else None,
    )
    return cut_page(
        Page[Hour],
        rows,
        show=Hour.model_validate,
        key=lambda row: (row.device_id, write_micros(row.start)),
        request=request,
        limit=wanted.limit,
        since=since,
        until=until,
    )


@router.get("/accounts/{account_id}/aggregates/days", response=Page[Day], **opened_by(Scope.READ))
def list_days(request: ApiRequest, *, account_id: Id, wanted: Query[PagesOfDays]) -> Page[Day]:
    """Local days with readings, by device and day.

    Without `first` or `until`: the last 31 days; at most 1,830 days. Days of a closed month are
    live figures: what was billed is the month's total.
    """
    return list_dates(
        request,
        account_id,
        wanted,
        page=Page[Day],
        show=Day.model_validate,
        series=DAYS,
        usual=MONTH,
    )


@router.get("/accounts/{account_id}/months", response=Page[Month], **opened_by(Scope.READ))
def list_months(request: ApiRequest, *, account_id: Id, wanted: Query[PagesOfDays]) -> Page[Month]:
    """Billing months with readings, by device and month.

    Those that begin in the period: without `first` or `until` the last year, at most 18,300 days.
    """
    return list_dates(
        request,
        account_id,
        wanted,
        page=Page[Month],
        show=Month.model_validate,
        series=MONTHS,
        usual=YEAR,
    )


def list_dates(
    request: ApiRequest,
    account_id: int,
    wanted: PagesOfDays,
    *,
    page: type[Page[Item]],
    show: Callable[[Any], Item],
    series: Series[Any],
    usual: timedelta,
) -> Page[Item]:
    """A page of a series whose rows begin with the device and a date."""
    zone = open_account(request, account_id).account.time_zone
    device_ids = select_devices(
        account_id, device_ids=wanted.device_id, gateway_id=wanted.gateway_id
    )
    first, until = choose_days(
        wanted.first, wanted.until, zone=zone, usual=usual, longest=series.longest
    )
    key = read_cursor(wanted.cursor, parts=2)
    rows = read_page(
        series,
        account_id,
        device_ids=device_ids,
        since=first,
        until=until,
        rows=wanted.limit + 1,
        after=(key[0], read_ordinal(key[1])) if key else None,
    )
    return cut_page(
        page,
        rows,
        show=show,
        key=lambda row: (row[0], row[1].toordinal()),
        request=request,
        limit=wanted.limit,
        first=first,
        until=until,
    )
