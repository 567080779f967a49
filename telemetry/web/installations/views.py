"""The page "Meter changed": the meters of a device, a form, what a change would do, undo."""

from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.http import HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils import timezone
from django.utils.translation import gettext as _

from telemetry.accounts.access import Right, has_right
from telemetry.core.consumption import start_of
from telemetry.installations.changing import (
    change_meter,
    find_installation,
    plan_change,
    preview,
    preview_undo,
    undo_change,
)
from telemetry.installations.texts import InstallationError
from telemetry.models import Device, Installation, Reading
from telemetry.store.installations.preview import propose_largest_rate
from telemetry.store.reads.device_events import find_first_day
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
    if request.method == "POST":
        try:
            undo_change(installation, user=request.user)
        except InstallationError as error:
            messages.error(request, str(error))
        else:
            text = _("The change of the meter is undone. Totals follow within a minute.")
            messages.success(request, text)
        return redirect("meter", request.account.pk, device.pk)
    context = {
        "device": device, "installation": installation, "preview": preview_undo(installation),
    }  # fmt: skip
    return render(request, "telemetry/installations/undo.html", context)


def _show(
    request: AccountRequest, device: Device, *, form: MeterForm, status: int = 200, **more: Any
) -> HttpResponse:
    at = _read_instant(form)
    rows = Installation.objects.filter(device=device).select_related("created_by", "undone_by")
    first_day = find_first_day(request.account.pk, device_id=device.pk)
    if first_day is not None:  # what was before may be another account's
        begin = start_of(first_day, ZoneInfo(request.account.time_zone))
        first = find_installation(device, before=begin)
        rows = rows.filter(since__gte=begin) | rows.filter(pk=first.pk)
    readings = Reading.objects.filter(device_id=device.pk, account=request.account)
    before = readings.filter(time__lte=at).order_by("-time")[:MOST_BESIDE]
    after = readings.filter(time__gt=at).order_by("time")[:MOST_BESIDE]
    context = {
        "device": device,
        "form": form if has_right(request.membership, Right.BILLING) else None,
        "installations": rows[:MOST_INSTALLATIONS],
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
