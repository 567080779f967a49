"""What every page knows: the account it is about, the member's rights, the other accounts."""

from functools import partial
from typing import Any

from django.http import HttpRequest
from django.utils.functional import SimpleLazyObject

from telemetry.accounts.access import RIGHTS, list_memberships
from telemetry.models import Membership, User
from telemetry.store.db.account_scope import identify


def account(request: HttpRequest) -> dict[str, Any]:
    """`account`, `membership` and `rights` (names) on an account's pages; `memberships` when signed
    in, read when a template asks for them."""
    membership: Membership | None = getattr(request, "membership", None)
    user = getattr(request, "user", None)
    if user is None or not user.is_authenticated:
        return {"account": None, "membership": None, "rights": (), "memberships": ()}
    return {
        "account": membership.account if membership else None,
        "membership": membership,
        "rights": tuple(str(right) for right in RIGHTS[membership.role]) if membership else (),
        "memberships": SimpleLazyObject(partial(_list_accounts, user)),
    }


def _list_accounts(user: User) -> list[Membership]:
    """All that the user may open, also while one is open."""
    with identify():
        return list(list_memberships(user).order_by("account__name"))
