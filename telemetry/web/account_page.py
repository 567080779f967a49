"""The frame of every page of an account: who may open it, in which time zone it speaks."""

from collections.abc import Callable
from functools import wraps
from typing import Any, Concatenate, ParamSpec

from django.contrib.auth.decorators import login_required
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponseBase
from django.utils import timezone

from telemetry.accounts.access import Right, find_membership, has_right
from telemetry.models import Account, Membership, User
from telemetry.store.db.account_scope import open_account
from telemetry.store.reads.freshness import Freshness

Args = ParamSpec("Args")

LAST_ACCOUNT = "last_account"
"""Where the session keeps the account seen last."""


class AccountRequest(HttpRequest):
    """A request to a page of an account, from one of its members."""

    user: User
    membership: Membership
    account: Account
    freshness: Freshness  # since `look` was called


View = Callable[Concatenate[AccountRequest, Args], HttpResponseBase]


def account_page(right: Right = Right.VIEW) -> Callable[[View[Args]], Callable[..., Any]]:
    """A view below `accounts/<int:account_id>/`, for members whose role has `right`.

    Anonymous: to the login page. No member: 404, as for an account that does not exist. A member
    without the right: 403. Times are shown in the account's time zone.
    """

    def decorate(view: View[Args]) -> Callable[..., Any]:
        @login_required
        @wraps(view)
        def guarded(
            request: Any, account_id: int, *args: Args.args, **kwargs: Args.kwargs
        ) -> HttpResponseBase:
            membership = find_membership(request.user, account_id=account_id)
            if membership is None:
                raise Http404
            if not has_right(membership, right):
                raise PermissionDenied
            open_account(account_id)
            request.membership, request.account = membership, membership.account
            if request.session.get(LAST_ACCOUNT) != account_id:
                request.session[LAST_ACCOUNT] = account_id
            with timezone.override(membership.account.time_zone):
                return view(request, *args, **kwargs)

        return guarded

    return decorate
