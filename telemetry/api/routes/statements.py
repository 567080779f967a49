"""Statements: what devices consumed between two instants."""

from datetime import datetime, timedelta
from typing import Annotated

from django.utils import timezone
from ninja import Query, Router
from pydantic import BeforeValidator, Field

from telemetry.api.auth import ApiRequest, Scope, open_account, opened_by
from telemetry.api.parameters import OfDevices
from telemetry.api.problems import ParameterError
from telemetry.api.selection import select_devices
from telemetry.api.statement_schemas import Statement
from telemetry.api.values import Group, Id, read_instant
from telemetry.core.consumption import day_of, month_of, start_of
from telemetry.models import Account
from telemetry.store.billing import statement
from telemetry.store.billing.statement_devices import StatementError, StatementQuestion

DAY = timedelta(days=1)
Instant = Annotated[datetime, BeforeValidator(read_instant)]

router = Router(tags=["consumption"])


class StatementParams(OfDevices):
    """Which time, and which devices."""

    since: Annotated[
        Instant | None, Field(description="what came after it counts; default: the last month's")
    ] = None
    until: Annotated[
        Instant | None, Field(description="this instant is included; default: the last month's")
    ] = None
    group: Annotated[Group | None, Field(description="of the account's devices")] = None
    virtual_meter_id: Annotated[
        Id | None, Field(description="its devices, and what they come to in `virtual`")
    ] = None


@router.get("/accounts/{account_id}/statements", response=Statement, **opened_by(Scope.READ))
def read_statement(
    request: ApiRequest, *, account_id: Id, params: Query[StatementParams]
) -> statement.Statement:
    """What devices consumed between two instants, with their registers at both ends, by meter.

    Without `since` or `until`: the last billing month that is over; at most 1,860 days and 2,000
    devices. Statements that follow each other add up, and one of a month is the month as it is now.
    """
    account = open_account(request, account_id).account
    begin, end = _find_last_month(account)
    is_some = bool(params.device_id) or params.gateway_id is not None
    question = StatementQuestion(
        account_id,
        params.since or begin,
        params.until or end,
        device_ids=tuple(select_devices(account_id, params)) if is_some else None,
        group=params.group,
        virtual_id=params.virtual_meter_id,
    )
    try:
        return statement.read_statement(question)
    except StatementError as error:
        field = "virtual_meter_id" if error.field == "virtual" else error.field
        raise ParameterError(field, str(error)) from error


def _find_last_month(account: Account) -> tuple[datetime, datetime]:
    zone = account.zone
    month = month_of(day_of(timezone.now(), zone), account.billing)
    return start_of(month_of(month - DAY, account.billing), zone), start_of(month, zone)
