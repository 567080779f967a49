"""Virtual meters of an account by billing month, with what their devices add: a page and a file."""

from collections.abc import Iterable
from datetime import date, timedelta

from django.http import HttpResponse
from django.shortcuts import render
from django.utils import timezone
from django.views.decorators.http import require_safe
from msgspec import Struct

from telemetry.accounts.exports import SlotsTakenError, take_slot
from telemetry.core.consumption import start_of
from telemetry.core.virtual_meters import is_unbalanced as contradict
from telemetry.models import Finding
from telemetry.reporting.sending import name_file
from telemetry.reporting.virtual_meters import write_virtual_csv
from telemetry.store.reads.freshness import read_freshness
from telemetry.store.virtual_meters.months import VirtualMonth, read_virtual_months
from telemetry.web.account_page import AccountRequest, account_page
from telemetry.web.reports.params import list_months
from telemetry.web.reports.views import TAKEN

SHOWN = 3
MOST_FINDINGS = 5_000


class MonthRow(Struct, frozen=True):
    """A virtual meter in a month. `findings`: of its devices, to decide. `is_unbalanced`: its parts
    contradict the main meter; a month under way may."""

    month: VirtualMonth
    findings: int
    is_unbalanced: bool

    @property
    def last_day(self) -> date:
        """Of the month."""
        return self.month.month_end - timedelta(days=1)


@require_safe
@account_page()
def virtual_meters(request: AccountRequest) -> HttpResponse:
    """The last three months, or the last sixty."""
    months = _read(request, count=60 if request.GET.get("all") else SHOWN)
    context = {
        "rows": _make_rows(request, months),
        "refreshed_at": read_freshness(request.account.pk).refreshed_at,
    }
    return render(request, "telemetry/virtual_meters/virtual_meters.html", context)


@require_safe
@account_page()
def download(request: AccountRequest) -> HttpResponse:
    """The last sixty months as CSV, a line for each virtual meter and each of its devices."""
    try:
        slot = take_slot(user_id=request.user.pk, account_id=request.account.pk)
    except SlotsTakenError as error:
        text = TAKEN[error.subject]
        return HttpResponse(text, status=429, content_type="text/plain; charset=utf-8")
    try:
        months = _read(request, count=60)
    finally:  # what is left to send is small
        slot.release()
    lines = write_virtual_csv(
        months, decimals="comma" if request.GET.get("decimals") == "comma" else "point"
    )
    name = f"virtual-{name_file(request.account, timezone.localdate(), format='csv')}"
    return HttpResponse(
        "".join(lines).encode(),
        content_type="text/csv; charset=utf-8",
        headers={"Content-Disposition": f'attachment; filename="{name}"'},
    )


def _read(request: AccountRequest, *, count: int) -> list[VirtualMonth]:
    today = timezone.localdate()
    first = list_months(request.account, today=today)[count - 1]
    return read_virtual_months(request.account.pk, first=first, until=today + timedelta(days=1))


def _make_rows(request: AccountRequest, months: Iterable[VirtualMonth]) -> list[MonthRow]:
    """With the open findings that begin in each month, of its devices."""
    zone, now = request.account.zone, timezone.now()
    rows = Finding.objects.filter(account=request.account, state="open")
    findings = list(rows.values_list("device_id", "since")[:MOST_FINDINGS])
    made = []
    for month in months:
        since, until = start_of(month.month, zone), start_of(month.month_end, zone)
        device_ids = {part.device_id for part in month.parts}
        count = sum(device in device_ids and since <= at < until for device, at in findings)
        is_unbalanced = contradict(month.sum, largest_share=month.largest_share)
        made.append(MonthRow(month, count, until <= now and is_unbalanced))
    return made
