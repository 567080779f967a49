"""What members change and say about their devices and gateways."""

from typing import Any

from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.db.models import Q
from django.http import HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils import timezone
from django.utils.translation import gettext as _
from django.views.decorators.http import require_POST

from telemetry.accounts.access import Right, has_right
from telemetry.findings.reporting import ReportError, report_reading
from telemetry.models import AlarmRule, DayNote, Device, Gateway
from telemetry.web.account_page import AccountRequest, account_page
from telemetry.web.acting.forms import DeviceForm, GatewayForm, NoteForm, ReportForm
from telemetry.web.edits.readings import find_device

MOST_NOTES = 1_000
"""Of a device."""
MOST_GROUPS = 200


@account_page(Right.OPERATE)
def edit_device(request: AccountRequest, device_id: int) -> HttpResponse:
    """A device's name, group and limits, beside the rules that watch it."""
    device = find_device(request, device_id)
    form = DeviceForm(request.POST or None, instance=device)
    if request.method == "POST" and form.is_valid():
        device.save(update_fields=form.Meta.fields)
        messages.success(request, _("The device is changed."))
        return redirect("device", request.account.pk, device.pk)
    groups = Device.objects.filter(account=request.account).exclude(group="").order_by("group")
    context = {
        "device": find_device(request, device_id),
        "form": form,
        "groups": groups.values_list("group", flat=True).distinct()[:MOST_GROUPS],
        "rules": list_rules(request.account.pk, device),
    }
    status = 400 if form.errors else 200
    return render(request, "telemetry/acting/edit_device.html", context, status=status)


@account_page(Right.OPERATE)
def edit_gateway(request: AccountRequest, gateway_id: int) -> HttpResponse:
    """A gateway's name and location."""
    gateway = get_object_or_404(Gateway, pk=gateway_id, account=request.account)
    form = GatewayForm(request.POST or None, instance=gateway)
    if request.method == "POST" and form.is_valid():
        gateway.save(update_fields=form.Meta.fields)
        messages.success(request, _("The gateway is changed."))
        return redirect("gateway", request.account.pk, gateway.pk)
    context = {"gateway": gateway, "form": form}
    status = 400 if form.errors else 200
    return render(request, "telemetry/acting/edit_gateway.html", context, status=status)


@account_page(Right.OPERATE)
def add_note(request: AccountRequest, device_id: int) -> HttpResponse:
    """Write a note on a day of a device."""
    device = find_device(request, device_id)
    note = DayNote(account=request.account, device=device, created_by=request.user)
    initial = {"day": request.GET.get("day") or timezone.localdate()}
    form = NoteForm(request.POST or None, instance=note, initial=initial)
    if request.method == "POST" and form.is_valid():
        if DayNote.objects.filter(account=request.account, device=device).count() >= MOST_NOTES:
            messages.error(request, _("This device has as many notes as it may have."))
        else:
            form.save()
            messages.success(request, _("The note is written."))
        return redirect("device", request.account.pk, device.pk)
    return _show(request, "add_note", device, form)


@require_POST
@account_page()
def delete_note(request: AccountRequest, device_id: int, note_id: int) -> HttpResponse:
    """Take a note back: whoever wrote it, and members who may write notes."""
    device = find_device(request, device_id)
    note = get_object_or_404(DayNote, pk=note_id, account=request.account, device=device)
    if note.created_by_id != request.user.pk and not has_right(request.membership, Right.OPERATE):
        raise PermissionDenied
    note.delete()
    messages.success(request, _("The note is deleted."))
    return redirect("device", request.account.pk, device.pk)


@account_page()
def report(request: AccountRequest, device_id: int) -> HttpResponse:
    """Report a wrong reading; any member may."""
    device = find_device(request, device_id)
    form = ReportForm(request.POST or None, initial={"at": request.GET.get("at", "")})
    if request.method == "POST" and form.is_valid():
        chosen: dict[str, Any] = form.cleaned_data
        try:
            report_reading(device, at=chosen["at"], text=chosen["text"], user=request.user)
        except ReportError as error:
            form.add_error(error.field, str(error))
        else:
            messages.success(request, _("Thank you. The reading is among the findings now."))
            return redirect("device", request.account.pk, device.pk)
    return _show(request, "report", device, form)


def list_rules(account_id: int, device: Device) -> list[AlarmRule]:
    """The rules that watch a device: its own, those of all devices and those of its gateway."""
    mine = Q(device=device) | Q(device=None, gateway=None) | Q(gateway_id=device.gateway_id)
    rules = AlarmRule.objects.filter(mine, account_id=account_id, is_active=True)
    return list(rules.select_related("webhook").prefetch_related("recipients")[:20])


def _show(request: AccountRequest, name: str, device: Device, form: Any) -> HttpResponse:
    context = {"device": device, "form": form}
    status = 400 if form.errors else 200
    return render(request, f"telemetry/acting/{name}.html", context, status=status)
