"""The page that an invitation's link opens. It needs no sign-in, and names no user."""

from typing import Any

from django.contrib import messages
from django.contrib.auth import login
from django.db import transaction
from django.http import HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.views.decorators.cache import never_cache
from django.views.decorators.debug import sensitive_post_parameters

from telemetry.accounts.members import MemberError, accept, find_invitation
from telemetry.mail.outbox import can_take_addresses
from telemetry.models import User
from telemetry.store.db.account_scope import open_account
from telemetry.web.members.forms import JoinForm


@never_cache
@sensitive_post_parameters("password1", "password2")
def join(request: Any, token: str) -> HttpResponse:
    """Join as who is signed in, or as a new user. Void, used and unknown links look alike."""
    invitation = find_invitation(token, now=timezone.now())
    if invitation is None:
        return render(request, "telemetry/members/void.html", status=404)
    open_account(invitation.account_id)
    is_known = request.user.is_authenticated
    # Where no e-mail brought the link, nothing says that the address is theirs.
    email = invitation.email if can_take_addresses() else ""
    form = JoinForm(request.POST or None, email=email)
    if request.method == "POST" and (is_known or form.is_valid()):
        try:
            with transaction.atomic():  # no user without the account it was made for
                user: User = request.user if is_known else form.save()
                accept(invitation, user=user, now=timezone.now())
        except MemberError:
            return render(request, "telemetry/members/void.html", status=404)
        if not is_known:
            login(request, user, backend="django.contrib.auth.backends.ModelBackend")
        messages.success(
            request, _("Welcome to %(account)s.") % {"account": invitation.account.name}
        )
        return redirect("overview", invitation.account_id)
    context = {
        "invitation": invitation,
        "form": form,
        "sign_in": f"{reverse('login')}?next={request.path}",
    }
    status = 400 if form.errors else 200
    return render(request, "telemetry/members/join.html", context, status=status)
