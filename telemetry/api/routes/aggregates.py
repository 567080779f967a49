"""Hours, days and billing months of devices. All are as of the last refresh."""

from datetime import timedelta

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
from telemetry.api.selection import select_devices
from telemetry.api.shapes import Day, Hour, Month
from telemetry.api.values import Id
from telemetry.store.reads.aggregate_pages import DAYS, HOURS, MONTHS, Key, read_page

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
    zone = open_account(request, account_id).account.time_zone
    device_ids = select_devices(
        account_id, device_ids=wanted.device_id, gateway_id=wanted.gateway_id
    )
    first, until = choose_days(
        wanted.first, wanted.until, zone=zone, usual=MONTH, longest=DAYS.longest
    )
    rows = read_page(
        DAYS,
        account_id,
        device_ids=device_ids,
        since=first,
        until=until,
        rows=wanted.limit + 1,
        after=read_day_place(wanted.cursor),
    )
    return cut_page(
        Page[Day],
        rows,
        show=Day.model_validate,
        key=lambda row: (row.device_id, row.start.toordinal()),
        request=request,
        limit=wanted.limit,
        first=first,
        until=until,
    )


@router.get("/accounts/{account_id}/months", response=Page[Month], **opened_by(Scope.READ))
def list_months(request: ApiRequest, *, account_id: Id, wanted: Query[PagesOfDays]) -> Page[Month]:
    """Billing months with readings, by device and month.

    Those that begin in the period: without `first` or `until` the last year, at most 18,300 days.
    """
    zone = open_account(request, account_id).account.time_zone
    device_ids = select_devices(
        account_id, device_ids=wanted.device_id, gateway_id=wanted.gateway_id
    )
    first, until = choose_days(
        wanted.first, wanted.until, zone=zone, usual=YEAR, longest=MONTHS.longest
    )
    rows = read_page(
        MONTHS,
        account_id,
        device_ids=device_ids,
        since=first,
        until=until,
        rows=wanted.limit + 1,
        after=read_day_place(wanted.cursor),
    )
    return cut_page(
        Page[Month],
        rows,
        show=Month.model_validate,
        key=lambda row: (row.device_id, row.month.toordinal()),
        request=request,
        limit=wanted.limit,
        first=first,
        until=until,
    )


def read_day_place(cursor: str | None) -> Key | None:
    """The device and the day in a cursor. Raises `ParameterError`."""
    key = read_cursor(cursor, parts=2)
    return (key[0], read_ordinal(key[1])) if key else None
