"""What every page knows: the account it is about, the member's rights, the other accounts."""

from typing import Any

from django.http import HttpRequest

from telemetry.accounts.access import RIGHTS, list_memberships
from telemetry.models import Membership


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
        "memberships": list_memberships(user).order_by("account__name"),
    }
