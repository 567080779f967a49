"""When bands of an account apply, and its holidays: list, enter, delete."""

from typing import Annotated, Any

from django.core.exceptions import NON_FIELD_ERRORS, ValidationError
from django.db import IntegrityError, transaction
from django.utils.translation import gettext
from ninja import Query, Router, Status
from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from telemetry.accounts.access import Right
from telemetry.api.auth import ApiRequest, Scope, open_account, opened_by
from telemetry.api.paging import Page, Paging, page_by_id
from telemetry.api.problems import (
    INVALID_PARAMETERS,
    NOT_POSSIBLE,
    InvalidParameter,
    ProblemError,
)
from telemetry.api.schemas import BandPeriod, DayKind, Holiday
from telemetry.api.selection import find_row
from telemetry.api.values import Clock, Day, Id, reject_nul
from telemetry.models import BandPeriod as PeriodRow
from telemetry.models import Holiday as HolidayRow

PERIODS = "/accounts/{account_id}/bands/periods"
HOLIDAYS = "/accounts/{account_id}/bands/holidays"
STATES = frozenset({"most", "unique"})
"""Codes of refusals for what is there, not for what was sent."""
GONE: Any = {204: None}

router = Router(tags=["consumption"])

Text = Annotated[str, AfterValidator(reject_nul), AfterValidator(str.strip)]
MonthDay = Annotated[str, Field(max_length=5)]


class NewBandPeriod(BaseModel):
    """When a band applies, on full and half hours of the local clock."""

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={
            "example": {"band": "Ponta", "days": ["weekday"], "starts": "17:30", "ends": "20:30"}
        },
    )

    band: Annotated[Text, Field(min_length=1, max_length=30, pattern=r"\S")]
    days: Annotated[list[DayKind], Field(min_length=1, max_length=4)]
    starts: Clock
    ends: Annotated[Clock, Field(description="00:00: midnight")]
    season_from: Annotated[
        MonthDay, Field(description="month and day such as 10-15; empty: all year")
    ] = ""
    season_to: Annotated[MonthDay, Field(description="the last day of the season")] = ""


class NewHoliday(BaseModel):
    """A day on which the bands of holidays apply."""

    model_config = ConfigDict(
        extra="forbid", json_schema_extra={"example": {"day": "2026-11-02", "name": "Finados"}}
    )

    day: Day
    name: Annotated[Text, Field(max_length=100)] = ""


@router.get(PERIODS, response=Page[BandPeriod], **opened_by(Scope.READ))
def list_band_periods(request: ApiRequest, *, account_id: Id, params: Query[Paging]) -> Any:
    """When bands of the account apply, in the order in which they are looked at."""
    open_account(request, account_id)
    rows = PeriodRow.objects.filter(account_id=account_id)
    return page_by_id(rows, request=request, paging=params)


@router.post(PERIODS, response=BandPeriod, **opened_by(Scope.BILLING_WRITE))
def enter_band_period(request: ApiRequest, *, account_id: Id, body: NewBandPeriod) -> Any:
    """Enter a period of a band, after those that are there; for admins and owners.

    It applies to all open months; closed months stay as they are.
    """
    account = open_account(request, account_id, right=Right.BILLING).account
    days = [kind for kind in PeriodRow.DayKind.values if kind in body.days]
    return _enter(PeriodRow(account=account, **{**body.model_dump(), "days": days}))


@router.delete(f"{PERIODS}/{{period_id}}", response=GONE, **opened_by(Scope.BILLING_WRITE))
def delete_band_period(request: ApiRequest, *, account_id: Id, period_id: Id) -> Any:
    """Delete a period of a band; for admins and owners.

    Its time becomes the next period's, or off-peak, in all open months; closed months stay as they
    are. To change a period, delete it and enter another one.
    """
    open_account(request, account_id, right=Right.BILLING)
    find_row(PeriodRow.objects.filter(account_id=account_id), period_id).delete()
    return Status(204, None)


@router.get(HOLIDAYS, response=Page[Holiday], **opened_by(Scope.READ))
def list_holidays(request: ApiRequest, *, account_id: Id, params: Query[Paging]) -> Any:
    """The holidays of the account, in the order in which they were entered."""
    open_account(request, account_id)
    rows = HolidayRow.objects.filter(account_id=account_id)
    return page_by_id(rows, request=request, paging=params)


@router.post(HOLIDAYS, response=Holiday, **opened_by(Scope.BILLING_WRITE))
def enter_holiday(request: ApiRequest, *, account_id: Id, body: NewHoliday) -> Any:
    """Enter a holiday, on which only the periods of holidays apply; for admins and owners.

    Closed months stay as they are.
    """
    account = open_account(request, account_id, right=Right.BILLING).account
    return _enter(HolidayRow(account=account, day=body.day, name=body.name))


@router.delete(f"{HOLIDAYS}/{{holiday_id}}", response=GONE, **opened_by(Scope.BILLING_WRITE))
def delete_holiday(request: ApiRequest, *, account_id: Id, holiday_id: Id) -> Any:
    """Let a day be like others again; for admins and owners.

    Closed months stay as they are.
    """
    open_account(request, account_id, right=Right.BILLING)
    find_row(HolidayRow.objects.filter(account_id=account_id), holiday_id).delete()
    return Status(204, None)


def _enter(row: PeriodRow | HolidayRow) -> PeriodRow | HolidayRow:
    """The row once it is stored. Raises `ProblemError` with what the page would say."""
    try:
        row.full_clean()
        with transaction.atomic():
            row.save()
    except ValidationError as error:
        raise _explain(error) from error
    except IntegrityError as error:  # somebody entered the same day at the same time
        raise ProblemError(NOT_POSSIBLE, gettext("This day is a holiday already.")) from error
    return row


def _explain(error: ValidationError) -> ProblemError:
    found = [(name, one) for name, errors in error.error_dict.items() for one in errors]
    texts = [(name, text) for name, one in found for text in one.messages]
    return ProblemError(
        NOT_POSSIBLE if any(one.code in STATES for _name, one in found) else INVALID_PARAMETERS,
        " ".join(text if name == NON_FIELD_ERRORS else f"{name}: {text}" for name, text in texts),
        invalid=[
            InvalidParameter("body", name, text) for name, text in texts if name != NON_FIELD_ERRORS
        ],
    )
