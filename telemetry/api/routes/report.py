"""Consumption by month and group of devices, as the reports have it."""

from typing import Annotated, Any, Literal

from ninja import Query, Router
from pydantic import Field

from telemetry.api.auth import ApiRequest, Scope, open_account, opened_by
from telemetry.api.paging import Page
from telemetry.api.periods import choose_days
from telemetry.api.problems import ParameterError
from telemetry.api.routes.totals import YEAR, Days
from telemetry.api.schemas import ReportLine
from telemetry.api.values import Id
from telemetry.store.billing.monthly_report import LONGEST, Grouping, ReportQuestion, read_page
from telemetry.store.reads.bounds import MOST_ROWS

router = Router(tags=["consumption"])


class ReportParams(Days):
    """Which months, and what a line is about."""

    by: Annotated[
        Literal["device", "group", "gateway", "kind", "account"],
        Field(description="what a line is about"),
    ] = "group"


@router.get("/accounts/{account_id}/report", response=Page[ReportLine], **opened_by(Scope.READ))
def list_report_lines(request: ApiRequest, *, account_id: Id, params: Query[ReportParams]) -> Any:
    """Consumption by billing month and group of devices, on one page, as reports have it.

    Months that begin in the period: without `first` or `until` the last year, at most 1,860 days.
    """
    zone = open_account(request, account_id).account.time_zone
    first, until = choose_days(params.first, params.until, zone=zone, usual=YEAR, longest=LONGEST)
    question = ReportQuestion(account_id, first, until, Grouping(params.by))
    rows = read_page(question, offset=0, limit=MOST_ROWS)
    if len(rows) >= MOST_ROWS:
        raise ParameterError("first", "too many rows: ask for a shorter period")
    return {"items": rows, "next": None}
