"""Undo, approve and reject edits; take the value of a conflict."""

from collections.abc import Callable

from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import get_object_or_404, redirect
from django.utils.translation import gettext as _
from django.views.decorators.http import require_POST

from telemetry.accounts.access import Right
from telemetry.edits.conflicts import find_conflict, take_value
from telemetry.edits.editing import approve_edit, reject_edit, undo_edit
from telemetry.models import DeadLetter, Device, Edit
from telemetry.store.edits.apply import EditError
from telemetry.web.account_page import AccountRequest, account_page
from telemetry.web.edits.readings import address_of, describe_result


@require_POST
@account_page(Right.BILLING)
def undo(request: AccountRequest, edit_id: int) -> HttpResponse:
    """Give the readings back the values of before."""
    reason = request.POST.get("reason", "")
    return _change(request, edit_id, lambda edit: undo_edit(edit, user=request.user, reason=reason))


@require_POST
@account_page(Right.BILLING)
def approve(request: AccountRequest, edit_id: int) -> HttpResponse:
    """Apply, or undo, what another admin requested."""
    return _change(request, edit_id, lambda edit: approve_edit(edit, user=request.user))


@require_POST
@account_page(Right.BILLING)
def reject(request: AccountRequest, edit_id: int) -> HttpResponse:
    """Drop what waits."""
    return _change(
        request,
        edit_id,
        lambda edit: reject_edit(edit, user=request.user),
        describe=lambda _edit: _("The request is dropped; nothing has changed."),
    )


@require_POST
@account_page(Right.BILLING)
def take(request: AccountRequest, dead_letter_id: int) -> HttpResponse:
    """Substitute the stored reading by the one that was rejected."""
    dead_letter = get_object_or_404(DeadLetter, pk=dead_letter_id, account=request.account)
    try:
        edit = take_value(dead_letter, user=request.user, reason=request.POST.get("reason", ""))
    except EditError as error:
        messages.error(request, str(error))
        return _go_to_device(request, dead_letter)
    messages.success(request, describe_result(edit))
    return redirect(address_of(edit))


def _change(
    request: AccountRequest,
    edit_id: int,
    change: Callable[[Edit], Edit],
    *,
    describe: Callable[[Edit], str] = describe_result,
) -> HttpResponse:
    edit = get_object_or_404(
        Edit.objects.select_related("device", "account"), pk=edit_id, account=request.account
    )
    try:
        edit = change(edit)
    except EditError as error:
        messages.error(request, str(error))
    else:
        messages.success(request, describe(edit))
    return redirect(address_of(edit, is_here=edit.device.account_id == request.account.pk))


def _go_to_device(request: AccountRequest, dead_letter: DeadLetter) -> HttpResponse:
    try:
        device: Device | None = find_conflict(dead_letter).device
    except EditError:
        device = None
    if device is None:
        return redirect("edits", request.account.pk)
    return redirect("device", request.account.pk, device.pk)
