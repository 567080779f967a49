"""Rules of alarms, with their limits."""

from typing import Any

from ninja import Query, Router

from telemetry.accounts.access import Right
from telemetry.api.auth import ApiRequest, Scope, open_account, opened_by
from telemetry.api.paging import Page, Paging, page_by_id
from telemetry.api.schemas import AlarmRule
from telemetry.api.values import Id
from telemetry.models import AlarmRule as Row

router = Router(tags=["alarms"])


@router.get("/accounts/{account_id}/alarm-rules", response=Page[AlarmRule], **opened_by(Scope.READ))
def list_alarm_rules(request: ApiRequest, *, account_id: Id, params: Query[Paging]) -> Any:
    """The alarm rules of an account, by id; for admins and owners.

    The limits of a device itself are its `alarm_low` and `alarm_high`.
    """
    open_account(request, account_id, right=Right.OPERATE)
    return page_by_id(Row.objects.filter(account_id=account_id), request=request, paging=params)
