"""The page of a device's readings: the list, the form that edits them, the history of edits."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils import timezone
from django.utils.dateparse import parse_datetime
from django.utils.http import urlencode
from django.utils.translation import gettext as _
from django.views.decorators.gzip import gzip_page
from msgspec import Struct

from telemetry.accounts.access import Right, has_right
from telemetry.edits.editing import request_edit
from telemetry.models import Device, Edit, Finding
from telemetry.store.edits.apply import EditError
from telemetry.store.edits.readings import EditableReading, list_readings
from telemetry.store.reads.latest_by_device import read_newest
from telemetry.web.account_page import AccountRequest, account_page
from telemetry.web.device.shown import find_shown
from telemetry.web.edits.forms import EditForm, ReasonForm, UntilForm

MOST_READINGS = 50
MOST_EDITS = 50
AHEAD = timedelta(days=2)  # readings may be of the future, by a clock's error


class EditRow(Struct, frozen=True):
    """An edit as pages show it. `undo_form` is None where it cannot be undone, or not by the
    member; `may_decide`: the member may approve or reject it, `may_approve` the former."""

    edit: Edit
    undo_form: ReasonForm | None
    may_decide: bool
    may_approve: bool


@gzip_page
@account_page()
def device_readings(request: AccountRequest, device_id: int) -> HttpResponse:
    """List and, by POST, edit. Members who may not edit see no form and get 403; nobody edits a
    device that moved to another account here."""
    if request.method == "POST":
        return _edit(request, find_device(request, device_id))
    shown = find_shown(request, device_id)
    if shown.former is not None:
        return _show(request, shown.device, form=None)
    return _show(request, shown.device, form=_choose_form(request))


@account_page()
def edits(request: AccountRequest) -> HttpResponse:
    """The edits of all devices of the account, those that wait first."""
    # The gateway of a device that moved away is not to be seen: no join.
    rows = Edit.objects.filter(account=request.account).prefetch_related("device__gateway")
    rows = rows.select_related(
        "device", "requested_by", "decided_by", "undo_requested_by", "undone_by"
    )
    waiting = rows.filter(state__in=(Edit.State.WAITING, Edit.State.UNDO_WAITING))
    context = {
        "waiting": make_rows(request, waiting[:MOST_EDITS]),
        "edits": make_rows(request, rows[:MOST_EDITS]),
    }
    return render(request, "telemetry/edits/edits.html", context)


def find_device(request: AccountRequest, device_id: int) -> Device:
    """A device of the account. Raises `Http404`."""
    devices = Device.objects.filter(account=request.account, pk=device_id)
    device = devices.select_related("gateway", "account").first()
    if device is None:
        raise Http404
    return device


def make_rows(request: AccountRequest, found: Sequence[Edit] | Any) -> list[EditRow]:
    """Edits with what the member may do."""
    may = has_right(request.membership, Right.BILLING)
    rows = []
    for edit in found:
        first_id = {
            Edit.State.WAITING: edit.requested_by_id,
            Edit.State.UNDO_WAITING: edit.undo_requested_by_id,
        }.get(Edit.State(edit.state), 0)
        is_waiting = edit.state in (Edit.State.WAITING, Edit.State.UNDO_WAITING)
        may_undo = may and edit.state == Edit.State.APPLIED
        rows.append(
            EditRow(
                edit,
                ReasonForm(key=f"undo-{edit.pk}") if may_undo else None,
                may_decide=may and is_waiting,
                may_approve=may and is_waiting and first_id != request.user.pk,
            )
        )
    return rows


def address_of(edit: Edit, *, is_here: bool = True) -> str:
    """The page of the device's readings at the edit, or that of all edits."""
    if not is_here:
        return reverse("edits", args=[edit.account_id])
    page = reverse("device-readings", args=[edit.account_id, edit.device_id])
    return f"{page}?{urlencode({'until': _write(edit.until + timedelta(hours=6))})}"


def _edit(request: AccountRequest, device: Device) -> HttpResponse:
    if not has_right(request.membership, Right.BILLING):
        raise PermissionDenied
    form = EditForm(request.POST)
    if not form.is_valid():
        return _show(request, device, form=form)
    chosen = form.cleaned_data
    try:
        edit = request_edit(
            request.account,
            device=device,
            since=chosen["since"],
            until=chosen["until"],
            change=form.change,
            reason=chosen["reason"],
            user=request.user,
            finding=_find_finding(request, device, chosen["finding"]),
        )
    except EditError as error:
        form.add_error(None, str(error))
        return _show(request, device, form=form)
    messages.success(request, describe_result(edit))
    return redirect(address_of(edit))


def describe_result(edit: Edit) -> str:
    """What became of an edit, for the member who asked for it."""
    if edit.state in (Edit.State.WAITING, Edit.State.UNDO_WAITING):
        return _("It waits until another admin approves it.")
    if edit.state == Edit.State.UNDONE:
        return _("The edit is undone. Totals follow within a minute.")
    return _("Readings edited: %(count)d. Totals follow within a minute.") % {
        "count": edit.readings_count
    }


def _choose_form(request: AccountRequest) -> EditForm:
    """The form for the reading, or the period, that a link names."""
    first, what = request.GET.get("edit", ""), request.GET.get("what", EditForm.VOID)
    last, finding = request.GET.get("to", first), request.GET.get("finding", "")
    return EditForm(initial={"since": first, "until": last, "what": what, "finding": finding})


def _find_finding(request: AccountRequest, device: Device, key: int | None) -> Finding | None:
    if key is None:
        return None
    return Finding.objects.filter(pk=key, account=request.account, device=device).first()


def _show(request: AccountRequest, device: Device, *, form: EditForm | None) -> HttpResponse:
    until_form = UntilForm(request.GET)
    until = until_form.cleaned_data["until"] if until_form.is_valid() else None
    if until is None:
        newest = read_newest(request.account.pk, device_ids=[device.pk], now=timezone.now())
        until = newest[device.pk].time if newest else timezone.now() + AHEAD
    readings = list_readings(
        request.account.pk, device_id=device.pk, until=until, most=MOST_READINGS + 1
    )
    history = Edit.objects.filter(account=request.account, device=device).select_related(
        "requested_by", "decided_by", "undo_requested_by", "undone_by"
    )
    may = has_right(request.membership, Right.BILLING)
    context: dict[str, Any] = {
        "device": device,
        "is_former": form is None,
        "readings": readings[:MOST_READINGS],
        "earlier": _write(readings[MOST_READINGS].time) if len(readings) > MOST_READINGS else None,
        "until": _write(until),
        "until_form": until_form,
        "form": form if may else None,
        "chosen": _find_chosen(request, readings),
        "edits": make_rows(request, history[:MOST_EDITS]),
    }
    is_bad = (form is not None and bool(form.errors)) or not until_form.is_valid()
    return render(request, "telemetry/edits/readings.html", context, status=400 if is_bad else 200)


def _find_chosen(
    request: AccountRequest, readings: Sequence[EditableReading]
) -> EditableReading | None:
    """The reading that a link names."""
    try:
        instant = parse_datetime(request.GET.get("edit", ""))
    except ValueError:
        return None
    return next((reading for reading in readings if reading.time == instant), None)


def _write(at: datetime) -> str:
    """An instant with the account's offset, exact."""
    return timezone.localtime(at).isoformat()
