"""Who you are, and the accounts that you are a member of."""

from typing import Any, cast

from django.db.models import QuerySet
from ninja import Query, Router

from telemetry.accounts.access import RIGHTS, list_memberships
from telemetry.api.auth import ApiRequest, Scope, open_account, opened_by
from telemetry.api.paging import Page, Paging, page_by_id
from telemetry.api.schemas import Account, Me, Role, Token
from telemetry.api.values import Id
from telemetry.models import Membership

router = Router(tags=["accounts"])


@router.get("/me", response=Me, **opened_by(Scope.READ))
def read_me(request: ApiRequest) -> Me:
    """Who you are, and what your token allows."""
    user, token = request.auth.user, request.auth.token
    return Me(
        id=user.pk,
        username=user.get_username(),
        email=user.email,
        signed_in_by="token" if token else "session",
        token=Token.model_validate(token) if token else None,
    )


@router.get("/accounts", response=Page[Account], **opened_by(Scope.READ))
def list_accounts(request: ApiRequest, *, params: Query[Paging]) -> Any:
    """The accounts that you are a member of, by id."""
    page = page_by_id(find_memberships(request), request=request, paging=params, name="account_id")
    return {**page, "items": [show_account(membership) for membership in page["items"]]}


@router.get("/accounts/{account_id}", response=Account, **opened_by(Scope.READ))
def read_account(request: ApiRequest, *, account_id: Id) -> Account:
    """One account."""
    return show_account(open_account(request, account_id))


def find_memberships(request: ApiRequest) -> "QuerySet[Membership]":
    """The caller's memberships in active accounts; in one, when the token is for one."""
    caller = request.auth
    rows = list_memberships(caller.user)
    if caller.token is not None and caller.token.account_id is not None:
        rows = rows.filter(account_id=caller.token.account_id)
    return rows


def show_account(membership: Membership) -> Account:
    """An account as its member sees it."""
    account, role = membership.account, cast("Role", membership.role)
    return Account(
        id=account.pk,
        name=account.name,
        time_zone=account.time_zone,
        billing_day=account.billing_day,
        role=role,
        rights=sorted(RIGHTS[role]),
    )
