"""Reports that are sent by themselves: list, make, pause, delete, send one now."""

from typing import Any

from django import forms
from django.conf import settings
from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils import timezone
from django.utils.translation import get_language, gettext_lazy
from django.utils.translation import gettext as _
from django.views.decorators.http import require_POST

from telemetry.accounts.access import Right
from telemetry.mail.limits import count_mail
from telemetry.mail.outbox import has_mail, queue_mail
from telemetry.models import Account, ReportDelivery, ReportSchedule, User
from telemetry.web.account_page import AccountRequest, account_page
from telemetry.web.reports.params import list_months
from telemetry.web.signin.address import read_client_network
from telemetry.web.signin.views import NOT_QUEUED, TOO_MANY

SHOWN = 50


class ScheduleForm(forms.ModelForm):  # type: ignore[type-arg]
    """A new schedule. Recipients are members of the account, nobody else."""

    language = forms.ChoiceField(label=gettext_lazy("Language"), choices=settings.LANGUAGES)
    recipients = forms.ModelMultipleChoiceField(
        label=gettext_lazy("Recipients"),
        queryset=User.objects.none(),
        widget=forms.CheckboxSelectMultiple,
        help_text=gettext_lazy("Members with an e-mail address."),
    )

    class Meta:
        model = ReportSchedule
        fields = ("name", "grouping", "format", "days_after", "language", "recipients")

    def __init__(self, *args: Any, account: Account, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.instance.account = account
        field: Any = self.fields["recipients"]
        field.queryset = User.objects.filter(
            memberships__account=account, is_active=True
        ).exclude(email="")  # fmt: skip


@account_page(Right.OPERATE)
def schedules(request: AccountRequest) -> HttpResponse:
    """What is sent to whom, and a form for more."""
    form = ScheduleForm(
        request.POST or None, account=request.account, initial={"language": get_language()}
    )
    if request.method == "POST" and form.is_valid():
        schedule = form.save(commit=False)
        schedule.created_by = request.user
        schedule.save()
        form.save_m2m()
        messages.success(request, _("%(name)s will be sent.") % {"name": schedule.name})
        return redirect("report-schedules", request.account.pk)
    standing = ReportSchedule.objects.filter(account=request.account)
    context = {
        "form": form,
        "schedules": standing.prefetch_related("recipients")[:SHOWN],
        "deliveries": ReportDelivery.objects.filter(
            schedule__account=request.account
        ).select_related("schedule")[:SHOWN],
        "has_mail": has_mail(),
    }
    page = "telemetry/reports/schedules.html"
    return render(request, page, context, status=400 if form.errors else 200)


@require_POST
@account_page(Right.OPERATE)
def switch_schedule(request: AccountRequest, schedule_id: int) -> HttpResponse:
    """Pause one, or let it go on."""
    schedule = _find(request, schedule_id)
    schedule.is_active = not schedule.is_active
    schedule.save(update_fields=["is_active"])
    text = _("%(name)s is resumed.") if schedule.is_active else _("%(name)s is paused.")
    messages.success(request, text % {"name": schedule.name})
    return redirect("report-schedules", request.account.pk)


@account_page(Right.OPERATE)
def delete_schedule(request: AccountRequest, schedule_id: int) -> HttpResponse:
    """Ask, then delete one with what it remembers."""
    schedule = _find(request, schedule_id)
    if request.method != "POST":
        return render(request, "telemetry/reports/delete.html", {"schedule": schedule})
    schedule.delete()
    messages.success(request, _("%(name)s was deleted.") % {"name": schedule.name})
    return redirect("report-schedules", request.account.pk)


@require_POST
@account_page(Right.OPERATE)
def send_now(request: AccountRequest, schedule_id: int) -> HttpResponse:
    """Send the last month that is over to the user, as a trial; nothing is recorded."""
    schedule = _find(request, schedule_id)
    if not request.user.email:
        messages.error(request, _("Your profile has no e-mail address."))
        return redirect("report-schedules", request.account.pk)
    month = list_months(request.account, today=timezone.localdate())[1]
    about = {"schedule_id": schedule.pk, "month": month.isoformat(), "user_id": request.user.pk}
    subjects = {"account": request.account.pk, "user": request.user.pk}
    if count_mail("report", address=read_client_network(request), **subjects):
        messages.error(request, TOO_MANY)
    elif not queue_mail("report", **about):
        messages.error(request, NOT_QUEUED)
    else:
        messages.success(
            request, _("The report is being sent to %(email)s.") % {"email": request.user.email}
        )
    return redirect("report-schedules", request.account.pk)


def _find(request: AccountRequest, schedule_id: int) -> ReportSchedule:
    schedules = ReportSchedule.objects.select_related("account")
    return get_object_or_404(schedules, pk=schedule_id, account=request.account)
