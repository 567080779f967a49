"""Pages of an account's members: list, invite, change, remove."""

from typing import Any

from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.http import HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils import timezone
from django.utils.translation import gettext as _
from django.views.decorators.http import require_POST, require_safe

from telemetry.accounts.access import Right, has_right
from telemetry.accounts.members import (
    LastOwnerError,
    change_role,
    find_invitation,
    invite,
    remove,
    revoke,
)
from telemetry.mail.limits import count_mail
from telemetry.mail.links import make_link
from telemetry.mail.outbox import has_mail, queue_mail
from telemetry.models import Invitation, Membership, MembershipEvent
from telemetry.web.account_page import AccountRequest, account_page
from telemetry.web.members.forms import InviteForm, RoleForm
from telemetry.web.signin.address import read_client_network
from telemetry.web.signin.views import NOT_QUEUED, TOO_MANY

EVENTS = 20
MEMBERS = 500


@require_safe
@account_page()
def members(request: AccountRequest) -> HttpResponse:
    """Who belongs to the account; for owners also invitations and changes."""
    return _show(request, InviteForm())


@require_POST
@account_page(Right.MANAGE_MEMBERS)
def invite_member(request: AccountRequest) -> HttpResponse:
    """Send the invitation by e-mail. On a site without e-mail its link is shown instead: elsewhere
    only who reads the e-mails of that address may get it."""
    form = InviteForm(request.POST)
    if not form.is_valid():
        return _show(request, form, status=400)
    email, role = form.cleaned_data["email"], form.cleaned_data["role"]
    account, address = request.account, read_client_network(request)
    subjects = {"account": account.pk, "user": request.user.pk, "recipient": email}
    if count_mail("invitation", address=address, **subjects):
        form.add_error(None, TOO_MANY)
        return _show(request, form, status=429)
    token = invite(account, email=email, role=role, by=request.user, now=timezone.now())
    invitation = find_invitation(token, now=timezone.now())
    if not has_mail():
        return _show(request, InviteForm(), unsent=(email, make_link("invitation", token)))
    if invitation is None or not queue_mail("invitation", invitation_id=invitation.pk):
        form.add_error(None, NOT_QUEUED)
        return _show(request, form, status=503)
    messages.success(request, _("%(email)s was invited.") % {"email": email})
    return redirect("members", request.account.pk)


@require_POST
@account_page(Right.MANAGE_MEMBERS)
def revoke_invitation(request: AccountRequest, invitation_id: int) -> HttpResponse:
    """Revoke an invitation."""
    invitation = get_object_or_404(Invitation, pk=invitation_id, account=request.account)
    revoke(invitation, by=request.user, now=timezone.now())
    messages.success(
        request, _("The invitation of %(email)s is void.") % {"email": invitation.email}
    )
    return redirect("members", request.account.pk)


@require_POST
@account_page(Right.MANAGE_MEMBERS)
def change_member(request: AccountRequest, membership_id: int) -> HttpResponse:
    """Give a member another role."""
    membership = _find(request, membership_id)
    form = RoleForm(request.POST)
    if not form.is_valid():
        return _show(request, InviteForm(), status=400)
    try:
        change_role(membership, role=form.cleaned_data["role"], by=request.user)
    except LastOwnerError:
        messages.error(
            request, _("An account keeps at least one owner: make another member owner first.")
        )
    else:
        messages.success(
            request, _("The role of %(name)s was changed.") % {"name": membership.user.username}
        )
    return redirect("members", request.account.pk)


@account_page()
def remove_member(request: AccountRequest, membership_id: int) -> HttpResponse:
    """Ask, then end a membership: owners anybody's, others their own."""
    membership = _find(request, membership_id)
    is_own = membership.user_id == request.user.pk
    if not is_own and not _may_manage(request):
        raise PermissionDenied
    if request.method != "POST":
        context = {"other": membership, "is_own": is_own}
        return render(request, "telemetry/members/remove.html", context)
    try:
        remove(membership, by=request.user)
    except LastOwnerError:
        messages.error(
            request, _("An account keeps at least one owner: make another member owner first.")
        )
        return redirect("members", request.account.pk)
    if is_own:
        messages.success(request, _("You left %(account)s.") % {"account": request.account.name})
        return redirect("home")
    messages.success(request, _("%(name)s was removed.") % {"name": membership.user.username})
    return redirect("members", request.account.pk)


def _may_manage(request: AccountRequest) -> bool:
    return has_right(request.membership, Right.MANAGE_MEMBERS)


def _find(request: AccountRequest, membership_id: int) -> Membership:
    """A member of this account; 404 for any other."""
    return get_object_or_404(
        Membership.objects.select_related("user", "account"),
        pk=membership_id,
        account=request.account,
    )


def _show(
    request: AccountRequest,
    form: InviteForm,
    *,
    status: int = 200,
    unsent: tuple[str, str] | None = None,
) -> HttpResponse:
    context: dict[str, Any] = {
        "members": Membership.objects.filter(account=request.account)
        .select_related("user")
        .order_by("user__username")[:MEMBERS],
        "roles": Membership.Role.choices,
        "form": form,
        "unsent": unsent,
    }
    if _may_manage(request):
        context["invitations"] = Invitation.objects.filter(
            account=request.account, accepted_at=None, revoked_at=None
        ).select_related("invited_by")[:MEMBERS]
        context["events"] = MembershipEvent.objects.filter(account=request.account).select_related(
            "by"
        )[:EVENTS]
        context["now"] = timezone.now()
    return render(request, "telemetry/members/members.html", context, status=status)
