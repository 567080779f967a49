"""What an account consumed, and what changed after its months were closed."""

from datetime import timedelta
from typing import Annotated, Any

from ninja import Query, Router
from pydantic import BaseModel, Field

from telemetry.api.auth import ApiRequest, Scope, open_account, opened_by
from telemetry.api.paging import Page, Paging, page_by_id
from telemetry.api.parameters import OfDevices
from telemetry.api.periods import choose_days
from telemetry.api.problems import ParameterError
from telemetry.api.schemas import Adjustment, DayTotal, MonthTotal
from telemetry.api.selection import filter_devices
from telemetry.api.values import End, First, Id
from telemetry.models import MonthAdjustment
from telemetry.store.reads.account_totals import (
    LONGEST_ACCOUNT_DAYS,
    LONGEST_ACCOUNT_MONTHS,
    read_account_days,
    read_account_months,
)
from telemetry.store.reads.bounds import MOST_ROWS

MONTH, YEAR = timedelta(days=31), timedelta(days=366)

router = Router(tags=["consumption"])


class Days(BaseModel):
    """A period of days."""

    first: First | None = None
    until: End | None = None


class InMonth(OfDevices, Paging):
    """Of devices, in a month."""

    month: Annotated[First | None, Field(description="first day of a billing month")] = None


@router.get("/accounts/{account_id}/totals/days", response=Page[DayTotal], **opened_by(Scope.READ))
def list_day_totals(request: ApiRequest, *, account_id: Id, params: Query[Days]) -> Any:
    """What all devices of an account consumed in local days, by day and unit, on one page.

    Without `first` or `until`: the last 31 days; at most 93 days.
    """
    zone = open_account(request, account_id).account.time_zone
    first, until = choose_days(
        params.first, params.until, zone=zone, usual=MONTH, longest=LONGEST_ACCOUNT_DAYS
    )
    rows = _require_whole(read_account_days(account_id, first=first, until=until))
    return {"items": rows, "next": None}


@router.get(
    "/accounts/{account_id}/totals/months", response=Page[MonthTotal], **opened_by(Scope.READ)
)
def list_month_totals(request: ApiRequest, *, account_id: Id, params: Query[Days]) -> Any:
    """What all devices of an account consumed in billing months, by month and unit, on one page.

    Closed months have the totals that were billed. Without `first` or `until`: the last year; at
    most 1,830 days.
    """
    zone = open_account(request, account_id).account.time_zone
    first, until = choose_days(
        params.first, params.until, zone=zone, usual=YEAR, longest=LONGEST_ACCOUNT_MONTHS
    )
    rows = _require_whole(read_account_months(account_id, first=first, until=until))
    return {"items": rows, "next": None}


@router.get(
    "/accounts/{account_id}/adjustments", response=Page[Adjustment], **opened_by(Scope.READ)
)
def list_adjustments(request: ApiRequest, *, account_id: Id, params: Query[InMonth]) -> Any:
    """What changed after months were closed, in the order in which it was recorded."""
    open_account(request, account_id)
    rows = MonthAdjustment.objects.filter(account_id=account_id)
    rows = filter_devices(rows, account_id, params)
    if params.month is not None:
        rows = rows.filter(month=params.month)
    return page_by_id(rows, request=request, paging=params)


def _require_whole(rows: list[Any]) -> list[Any]:
    """Raise `ParameterError` when the answer was cut: sums of a part would mislead."""
    if len(rows) >= MOST_ROWS:
        raise ParameterError("first", "too many rows: ask for a shorter period")
    return rows
