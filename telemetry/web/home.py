"""Where somebody who signs in begins, and the accounts to choose from."""

from typing import Any

from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render

from telemetry.accounts.access import find_membership, list_memberships
from telemetry.web.account_page import LAST_ACCOUNT


@login_required
def home(request: Any) -> HttpResponse:
    """To the account seen last, else the first; staff without an account to the admin."""
    last = request.session.get(LAST_ACCOUNT)
    if last is not None and find_membership(request.user, account_id=last):
        return redirect("overview", last)
    first = list_memberships(request.user).order_by("account__name").first()
    if first is not None:
        return redirect("overview", first.account_id)
    return redirect("admin:index" if request.user.is_staff else "accounts")


@login_required
def accounts(request: HttpRequest) -> HttpResponse:
    """The accounts that the user is a member of, which every page knows (`context.py`)."""
    return render(request, "telemetry/accounts.html")
