"""When an account's bands apply, and its holidays. Who may bill enters them."""

from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.http import HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils.translation import gettext as _
from django.views.decorators.http import require_POST

from telemetry.accounts.access import Right, has_right
from telemetry.models import BandPeriod, Holiday
from telemetry.models.bands import MOST_HOLIDAYS, MOST_PERIODS
from telemetry.web.account_page import AccountRequest, account_page
from telemetry.web.bands.forms import HolidayForm, PeriodForm


@account_page()
def periods(request: AccountRequest) -> HttpResponse:
    """The list; by POST, one more period, or a holiday. Members who may not bill get 403."""
    account = request.account
    if request.method != "POST":
        return _show(request, PeriodForm(account=account), HolidayForm(account=account))
    if not has_right(request.membership, Right.BILLING):
        raise PermissionDenied
    is_holiday = request.POST.get("what") == "holiday"
    form = PeriodForm(None if is_holiday else request.POST, account=account)
    holiday_form = HolidayForm(request.POST if is_holiday else None, account=account)
    chosen: PeriodForm | HolidayForm = holiday_form if is_holiday else form
    if not chosen.is_valid():
        return _show(request, form, holiday_form, status=400)
    messages.success(request, _("%(name)s is entered.") % {"name": chosen.save()})
    return redirect("band-periods", account.pk)


@require_POST
@account_page(Right.BILLING)
def delete_period(request: AccountRequest, period_id: int) -> HttpResponse:
    """Delete a period. Closed months stay as they are."""
    return _delete(request, get_object_or_404(BandPeriod, pk=period_id, account=request.account))


@require_POST
@account_page(Right.BILLING)
def delete_holiday(request: AccountRequest, holiday_id: int) -> HttpResponse:
    """Let a day be like others."""
    return _delete(request, get_object_or_404(Holiday, pk=holiday_id, account=request.account))


def _delete(request: AccountRequest, row: BandPeriod | Holiday) -> HttpResponse:
    messages.success(request, _("%(name)s was deleted.") % {"name": row})
    row.delete()
    return redirect("band-periods", request.account.pk)


def _show(
    request: AccountRequest, form: PeriodForm, holiday_form: HolidayForm, *, status: int = 200
) -> HttpResponse:
    kinds = dict(BandPeriod.DayKind.choices)
    found = BandPeriod.objects.filter(account=request.account).order_by("pk")[:MOST_PERIODS]
    may = has_right(request.membership, Right.BILLING)
    context = {
        "periods": [(one, ", ".join(str(kinds[day]) for day in one.days)) for one in found],
        "holidays": Holiday.objects.filter(account=request.account)[:MOST_HOLIDAYS],
        "form": form if may else None,
        "holiday_form": holiday_form if may else None,
    }
    return render(request, "telemetry/bands/periods.html", context, status=status)
