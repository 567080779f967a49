"""Billing months of an account: the list, the page of one, and closing it.

From the click to the database: the link "Close ..." of `closing/month.html` leads to the form of
`closing/close.html`; `close` here takes it and calls `close_month` (`store/billing/closing.py`),
whose statement `insert_closed_month` (`closing.sql`) closes the month. The admin has an action of
its own for it (`admin/closing.py`).
"""

from datetime import date

from django import forms
from django.contrib import messages
from django.http import Http404, HttpResponse
from django.shortcuts import redirect, render
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.gzip import gzip_page
from django.views.decorators.http import require_safe

from telemetry.accounts.access import Right
from telemetry.core.zones import name_zones
from telemetry.store.billing.closing import MonthError, close_month
from telemetry.store.billing.review import list_months
from telemetry.store.reads.freshness import read_freshness
from telemetry.web.account_page import AccountRequest, account_page
from telemetry.web.charts.calendar import Calendar
from telemetry.web.closing.review import Review, review_month
from telemetry.web.findings.listing import make_finding_rows

LONGEST_NOTE = 500
SHOWN_ROWS = 200


class CloseForm(forms.Form):
    """The confirmation. `fingerprint`: of the totals that were shown."""

    note = forms.CharField(
        label=gettext_lazy("Note"),
        required=False,
        max_length=LONGEST_NOTE,
        widget=forms.Textarea({"rows": 2}),
        help_text=gettext_lazy("Kept with the closing, for example the number of the bill."),
    )
    fingerprint = forms.CharField(widget=forms.HiddenInput, max_length=64)


@require_safe
@account_page()
def months(request: AccountRequest) -> HttpResponse:
    """The months, newest first."""
    listed = list_months(request.account.pk)
    today = _calendar(request).month_of(timezone.localdate())
    first = listed[-1].month if listed else today
    context = {
        "months": listed,
        "this": today,
        "zones": name_zones(request.account.zone, first, today),
    }
    return render(request, "telemetry/closing/months.html", context)


@gzip_page
@require_safe
@account_page()
def month(request: AccountRequest, month: str) -> HttpResponse:
    """One month: what it comes to, what is to be looked at, its adjustments."""
    review = _review(request, month)
    rows = review.rows if request.GET.get("all") else review.rows[:SHOWN_ROWS]
    context = {
        "review": review,
        "findings": make_finding_rows(request, review.findings),
        "month_key": month,
        "rows": rows,
        "hidden": len(review.rows) - len(rows),
        "freshness": read_freshness(request.account.pk),
        "before": _calendar(request).month_before(review.month),
    }
    return render(request, "telemetry/closing/month.html", context)


@account_page(Right.BILLING)
def close(request: AccountRequest, month: str) -> HttpResponse:
    """Say what closing means and ask; then close what was seen."""
    review = _review(request, month)
    if review.closed is not None:
        messages.warning(request, _("This month is closed already."))
        return redirect("month", request.account.pk, month)
    form = CloseForm(
        request.POST or None, initial={"fingerprint": review.fingerprint}, label_suffix=""
    )
    status = 200
    if request.method == "POST" and form.is_valid() and not review.hindrance:
        try:
            devices = close_month(
                request.account.pk,
                month=review.month,
                user_id=request.user.pk,
                note=form.cleaned_data["note"],
                now=timezone.now(),
                fingerprint=form.cleaned_data["fingerprint"],
            )
        except MonthError as error:
            form = CloseForm(
                initial={"fingerprint": review.fingerprint, "note": form.cleaned_data["note"]},
                label_suffix="",
            )
            messages.error(request, str(error))
            status = 409
        else:
            messages.success(request, _("The month is closed. Devices: %(n)d.") % {"n": devices})
            return redirect("month", request.account.pk, month)
    elif request.method == "POST":
        status = 400
    context = {"review": review, "form": form}
    return render(request, "telemetry/closing/close.html", context, status=status)


def _review(request: AccountRequest, text: str) -> Review:
    """The month that an address names. Raises `Http404` when none begins on that day."""
    calendar = _calendar(request)
    try:
        month = date.fromisoformat(text)
        if calendar.month_of(month) != month or not 1970 <= month.year <= 2999:
            raise ValueError
    except ValueError:
        raise Http404 from None
    return review_month(request.account, month=month, calendar=calendar, now=timezone.now())


def _calendar(request: AccountRequest) -> Calendar:
    account = request.account
    return Calendar(account.zone, account.billing)
