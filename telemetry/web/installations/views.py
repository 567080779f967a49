"""The page "Meter changed": the meters of a device, a form, what a change would do, undo."""

from datetime import datetime
from typing import Any

from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.http import HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils import timezone
from django.utils.translation import gettext as _

from telemetry.accounts.access import Right, has_right
from telemetry.installations.changing import (
    change_meter,
    find_installation,
    plan_change,
    preview,
    preview_undo,
    undo_change,
)
from telemetry.installations.own import check_is_own, hide_former, list_own
from telemetry.installations.texts import InstallationError
from telemetry.models import Device, Installation, Reading
from telemetry.store.installations.preview import propose_largest_rate
from telemetry.web.account_page import AccountRequest, account_page
from telemetry.web.edits.readings import find_device
from telemetry.web.installations.forms import MeterForm, fill_form

MOST_BESIDE = 3
MOST_INSTALLATIONS = 50


@account_page()
def meter(request: AccountRequest, device_id: int) -> HttpResponse:
    """Show; by POST, preview a change, and enter it once it was seen. Members who may not change
    meters see no form and get 403."""
    device = find_device(request, device_id)
    if request.method != "POST":
        since = request.GET.get("at", "")
        return _show(request, device, form=fill_form(_find_current(device), since=since))
    if not has_right(request.membership, Right.BILLING):
        raise PermissionDenied
    form = MeterForm(request.POST)
    if not form.is_valid():
        return _show(request, device, form=form, status=400)
    try:
        check_is_own(device, since=form.change.since)
        if request.POST.get("step") == "enter":
            change_meter(device, form.change, user=request.user)
            messages.success(request, _("The change is entered. Totals follow within a minute."))
            return redirect("meter", request.account.pk, device.pk)
        planned = plan_change(device, form.change, user=request.user)
    except InstallationError as error:
        form.add_error(error.field, str(error))
        return _show(request, device, form=form, status=400)
    return _show(request, device, form=form, planned=planned, preview=preview(planned))


@account_page(Right.BILLING)
def undo(request: AccountRequest, device_id: int, installation_id: int) -> HttpResponse:
    """Show what undoing a change would do; by POST, undo it."""
    device = find_device(request, device_id)
    installation = get_object_or_404(
        Installation, pk=installation_id, device=device, undone_at=None, since__isnull=False
    )
    installation.device = device
    try:
        check_is_own(device, since=installation.since)
        if request.method == "POST":
            undo_change(installation, user=request.user)
            text = _("The change of the meter is undone. Totals follow within a minute.")
            messages.success(request, text)
            return redirect("meter", request.account.pk, device.pk)
    except InstallationError as error:
        messages.error(request, str(error))
        return redirect("meter", request.account.pk, device.pk)
    context = {
        "device": device, "installation": installation, "preview": preview_undo(installation),
    }  # fmt: skip
    return render(request, "telemetry/installations/undo.html", context)


def _show(
    request: AccountRequest, device: Device, *, form: MeterForm, status: int = 200, **more: Any
) -> HttpResponse:
    at = _read_instant(form)
    rows, times = list_own(device)
    rows = rows.select_related("created_by", "undone_by")[:MOST_INSTALLATIONS]
    readings = Reading.objects.filter(device_id=device.pk, account=request.account)
    before = readings.filter(time__lte=at).order_by("-time")[:MOST_BESIDE]
    after = readings.filter(time__gt=at).order_by("time")[:MOST_BESIDE]
    context = {
        "device": device,
        "form": form if has_right(request.membership, Right.BILLING) else None,
        "installations": [hide_former(row, times) for row in rows],
        "at": at,
        "proposed_rate": propose_largest_rate(request.account.pk, device_id=device.pk),
        "before": list(before)[::-1],
        "after": list(after),
        **more,
    }
    return render(request, "telemetry/installations/meter.html", context, status=status)


def _find_current(device: Device) -> Installation:
    return find_installation(device, before=timezone.now())


def _read_instant(form: MeterForm) -> datetime:
    """The instant that the form names; now where it names none."""
    try:
        at = form.fields["since"].clean(form["since"].value())
    except Exception:
        at = None
    return at or timezone.now()
