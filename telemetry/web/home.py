"""Where somebody who signs in begins, and the accounts to choose from."""

from typing import Any

from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render

from telemetry.accounts.access import find_membership
from telemetry.models import Membership
from telemetry.web.account_page import LAST_ACCOUNT


@login_required
def home(request: Any) -> HttpResponse:
    """To the account seen last, else the first; staff without an account to the admin."""
    last = request.session.get(LAST_ACCOUNT)
    if last is not None and find_membership(request.user, account_id=last):
        return redirect("overview", last)
    first = _list_memberships(request).first()
    if first is not None:
        return redirect("overview", first.account_id)
    if request.user.is_staff:
        return redirect("admin:index")
    return redirect("accounts")


@login_required
def accounts(request: HttpRequest) -> HttpResponse:
    """The accounts that the user is a member of."""
    return render(
        request, "telemetry/accounts.html", {"memberships": list(_list_memberships(request))}
    )


def _list_memberships(request: Any) -> Any:
    return (
        Membership.objects.filter(user=request.user, account__is_active=True)
        .select_related("account")
        .order_by("account__name")
    )
