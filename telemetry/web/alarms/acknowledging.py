"""Acknowledge an alarm, and withdraw that."""

from django.contrib import messages
from django.http import HttpResponse, QueryDict
from django.shortcuts import get_object_or_404, redirect
from django.urls import reverse
from django.utils.translation import gettext as _
from django.views.decorators.http import require_POST

from telemetry.accounts.access import Right
from telemetry.alarms import acknowledging as alarms
from telemetry.models import Alarm
from telemetry.web.account_page import AccountRequest, account_page
from telemetry.web.alarms.forms import AcknowledgeForm
from telemetry.web.alarms.listing import show_alarms


@require_POST
@account_page(Right.OPERATE)
def acknowledge(request: AccountRequest, alarm_id: int) -> HttpResponse:
    """Record who acknowledged the alarm. Of two at once, the first one counts."""
    alarm = get_object_or_404(Alarm, pk=alarm_id, account=request.account)
    form = AcknowledgeForm(request.POST, alarm_id=alarm.pk)
    if not form.is_valid():
        return show_alarms(request, _read_back(request), invalid_form=form)
    if alarms.acknowledge(alarm, user=request.user, note=form.cleaned_data["note"]):
        messages.success(request, _("The alarm is acknowledged."))
    else:
        messages.warning(request, _("Somebody has acknowledged this alarm already."))
    return _go_back(request)


@require_POST
@account_page(Right.OPERATE)
def withdraw(request: AccountRequest, alarm_id: int) -> HttpResponse:
    """Withdraw an acknowledgment, whoever gave it."""
    alarm = get_object_or_404(Alarm, pk=alarm_id, account=request.account)
    alarms.withdraw(alarm)
    messages.success(request, _("The acknowledgment is withdrawn."))
    return _go_back(request)


def _read_back(request: AccountRequest) -> QueryDict:
    """The filters of the page that the form was on."""
    return QueryDict(request.POST.get("back", ""))


def _go_back(request: AccountRequest) -> HttpResponse:
    address = reverse("alarms", args=[request.account.pk])
    query = _read_back(request).urlencode()
    return redirect(f"{address}?{query}" if query else address)
