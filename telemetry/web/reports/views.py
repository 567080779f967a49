"""The report of an account: a page, a page to print, and files."""

import tempfile
from collections.abc import Collection
from datetime import date
from pathlib import Path
from typing import Any

from django.http import FileResponse, HttpResponse, HttpResponseBase, StreamingHttpResponse
from django.shortcuts import render
from django.utils import timezone
from django.utils.formats import date_format
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _
from django.views.decorators.http import require_safe

from telemetry.models import Account, Device, Gateway
from telemetry.reporting.columns import LINES, list_titles
from telemetry.reporting.files import Decimals, write_csv, write_xlsx
from telemetry.reporting.sending import make_header, name_file
from telemetry.store.billing.monthly_report import (
    ReportRow,
    read_page,
    read_sums,
    stream_rows,
    sum_rows,
)
from telemetry.store.reads.freshness import read_freshness
from telemetry.web.options import render_options
from telemetry.web.pages import AccountRequest, account_page
from telemetry.web.reports.asked import Asked, AskedError, list_months, make_default, parse
from telemetry.web.reports.rows import render_rows

ROWS = 100
PRINTED_ROWS = 2_000
CHOICES = 500


@require_safe
@account_page()
def reports(request: AccountRequest) -> HttpResponse:
    """Consumption by month; a wrong address is answered with what is wrong and the usual report."""
    today = timezone.localdate()
    try:
        asked, error = parse(request.GET, account=request.account, today=today), None
    except AskedError as wrong:
        asked, error = make_default(request.account, today=today), wrong
    question = asked.make_question(request.account)
    rows = read_page(question, offset=(asked.page - 1) * ROWS, limit=ROWS + 1)
    is_whole = asked.page == 1 and len(rows) <= ROWS
    address = request.GET.copy()
    address.pop("page", None)
    given = {
        **_describe(request.account, asked, rows[:ROWS]),
        "asked": asked,
        "error": error,
        "sums": sum_rows(rows) if is_whole else read_sums(question),
        "first_months": _render_months(request.account, today=today, chosen=asked.first),
        "last_months": _render_months(request.account, today=today, chosen=asked.last),
        "groupings": LINES.items(),
        "gateways": _render_gateways(request.account, chosen=asked.gateways),
        "groups": list_groups(request.account),
        "address": address.urlencode(),
        "has_more": len(rows) > ROWS,
        "first_row": (asked.page - 1) * ROWS + 1,
    }
    page = "telemetry/reports/reports.html"
    return render(request, page, given, status=400 if error else 200)


@require_safe
@account_page()
def printed(request: AccountRequest) -> HttpResponse:
    """The same on paper."""
    asked = _parse_strictly(request)
    if isinstance(asked, HttpResponse):
        return asked
    question = asked.make_question(request.account)
    rows = read_page(question, offset=0, limit=PRINTED_ROWS + 1)
    is_cut = len(rows) > PRINTED_ROWS
    given = {
        **_describe(request.account, asked, rows[:PRINTED_ROWS]),
        "asked": asked,
        "sums": read_sums(question) if is_cut else sum_rows(rows),
        "header": make_header(request.account),
        "is_cut": is_cut,
        "most": PRINTED_ROWS,
    }
    return render(request, "telemetry/reports/printed.html", given)


@require_safe
@account_page()
def download(request: AccountRequest, format: str) -> HttpResponseBase:  # noqa: A002
    """The same as a file, all of it."""
    asked = _parse_strictly(request)
    if isinstance(asked, HttpResponse):
        return asked
    header = make_header(request.account)
    rows = stream_rows(asked.make_question(request.account))
    name = name_file(request.account, asked.last, format=format)
    if format == "csv":
        decimals: Decimals = "comma" if request.GET.get("decimals") == "comma" else "point"
        pieces = write_csv(rows, header=header, grouping=asked.grouping, decimals=decimals)
        answer = StreamingHttpResponse(pieces, content_type="text/csv; charset=utf-8")
        answer.headers["Content-Disposition"] = f'attachment; filename="{name}"'
        return answer
    file = tempfile.TemporaryFile()  # noqa: SIM115 - the response closes it
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / name
        write_xlsx(path, rows, header=header, grouping=asked.grouping)
        file.write(path.read_bytes())
    file.seek(0)
    kind = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"
    return FileResponse(file, as_attachment=True, filename=name, content_type=kind)


def list_groups(account: Account) -> list[str]:
    """The groups of the account's devices."""
    groups = Device.objects.filter(account=account).exclude(group="").order_by("group")
    return list(groups.values_list("group", flat=True).distinct()[:CHOICES])


def _render_months(account: Account, *, today: date, chosen: date) -> SafeString:
    months = list_months(account, today=today)
    pairs = [(str(month), date_format(month, "SHORT_DATE_FORMAT")) for month in months]
    return render_options(pairs, chosen=[str(chosen)])


def _render_gateways(account: Account, *, chosen: Collection[int]) -> SafeString:
    gateways = Gateway.objects.filter(account=account).order_by("code")
    return render_options(
        gateways.values_list("pk", "code")[:CHOICES], chosen=set(map(str, chosen))
    )


def _parse_strictly(request: AccountRequest) -> Asked | HttpResponse:
    try:
        return parse(request.GET, account=request.account, today=timezone.localdate())
    except AskedError as wrong:
        text = _("The address is wrong: %(field)s: %(text)s") % {
            "field": wrong.field,
            "text": wrong,
        }
        return HttpResponse(text, status=400, content_type="text/plain; charset=utf-8")


def _describe(account: Account, asked: Asked, rows: list[ReportRow]) -> dict[str, Any]:
    return {
        "lines": render_rows(rows, grouping=asked.grouping, account=account),
        "titles": list_titles(asked.grouping),
        "refreshed_at": read_freshness(account.pk).refreshed_at,
    }
