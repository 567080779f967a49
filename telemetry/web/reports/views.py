"""The report of an account: a page, a page to print, and files."""

import tempfile
from collections.abc import Collection, Iterator
from datetime import date
from pathlib import Path
from typing import Any
from wsgiref.util import FileWrapper

from django.http import HttpResponse, HttpResponseBase, StreamingHttpResponse
from django.shortcuts import render
from django.utils import timezone
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.gzip import gzip_page
from django.views.decorators.http import require_safe

from telemetry.accounts.exports import PacedStream, SlotsTakenError, take_slot
from telemetry.core.zones import name_zones
from telemetry.models import Account, Device, Gateway
from telemetry.reporting.columns import LINES, list_titles
from telemetry.reporting.files import Decimals, write_csv, write_xlsx
from telemetry.reporting.sending import make_header, name_file
from telemetry.store.billing.monthly_report import ReportRow, read_page_and_sums, stream_rows
from telemetry.store.reads.freshness import read_freshness
from telemetry.web.account_page import AccountRequest, account_page
from telemetry.web.charts.period_names import name_month
from telemetry.web.long_select import render_options
from telemetry.web.reports.params import ParamsError, ReportParams, list_months, make_default, parse
from telemetry.web.reports.pivot import make_pivot
from telemetry.web.reports.rows import render_rows

ROWS = 100
PRINTED_ROWS = 2_000
PIECE_BYTES = 65_536
TYPES = {
    "csv": "text/csv; charset=utf-8",
    "xlsx": "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
}
TAKEN = {
    "user": gettext_lazy("An export of yours is still running: wait until it ends."),
    "account": gettext_lazy("Two exports of this account are still running: wait until one ends."),
}
CHOICES = 500


@gzip_page
@require_safe
@account_page()
def reports(request: AccountRequest) -> HttpResponse:
    """Consumption by month; a wrong address is answered with what is wrong and the usual report."""
    today = timezone.localdate()
    try:
        params, error = parse(request.GET, account=request.account, today=today), None
    except ParamsError as wrong:
        params, error = make_default(request.account, today=today), wrong
    question = params.make_question(request.account)
    rows, sums = read_page_and_sums(question, offset=(params.page - 1) * ROWS, limit=ROWS + 1)
    is_whole = params.page == 1 and len(rows) <= ROWS
    address = request.GET.copy()
    address.pop("page", None)
    context = {
        **_describe(request.account, params, rows[:ROWS]),
        "params": params,
        "error": error,
        "sums": sums,
        "pivot": (
            make_pivot(rows, grouping=params.grouping, account=request.account)
            if is_whole
            else None
        ),
        "first_months": _render_months(request.account, today=today, chosen=params.first),
        "last_months": _render_months(request.account, today=today, chosen=params.last),
        "groupings": LINES.items(),
        "gateways": _render_gateways(request.account, chosen=params.gateways),
        "groups": list_groups(request.account),
        "address": address.urlencode(),
        "has_more": len(rows) > ROWS,
        "first_row": (params.page - 1) * ROWS + 1,
    }
    page = "telemetry/reports/reports.html"
    return render(request, page, context, status=400 if error else 200)


@gzip_page
@require_safe
@account_page()
def printed(request: AccountRequest) -> HttpResponse:
    """The same on paper."""
    params = _parse_strictly(request)
    if isinstance(params, HttpResponse):
        return params
    question = params.make_question(request.account)
    rows, sums = read_page_and_sums(question, offset=0, limit=PRINTED_ROWS + 1)
    context = {
        **_describe(request.account, params, rows[:PRINTED_ROWS]),
        "params": params,
        "sums": sums,
        "header": make_header(request.account, first=params.first, last=params.last),
        "is_cut": len(rows) > PRINTED_ROWS,
        "most": PRINTED_ROWS,
    }
    return render(request, "telemetry/reports/printed.html", context)


@require_safe
@account_page()
def download(request: AccountRequest, format: str) -> HttpResponseBase:  # noqa: A002
    """The same as a file, all of it."""
    params = _parse_strictly(request)
    if isinstance(params, HttpResponse):
        return params
    try:
        slot = take_slot(user_id=request.user.pk, account_id=request.account.pk)
    except SlotsTakenError as error:
        text = TAKEN[error.subject]
        return HttpResponse(text, status=429, content_type="text/plain; charset=utf-8")
    pieces = None
    try:
        pieces = _write_file(request, params, format)
    finally:
        if pieces is None:
            slot.release()
    answer = StreamingHttpResponse(PacedStream(pieces, slot=slot), content_type=TYPES[format])
    name = name_file(request.account, params.last, format=format)
    answer.headers["Content-Disposition"] = f'attachment; filename="{name}"'
    return answer


def _write_file(
    request: AccountRequest,
    params: ReportParams,
    format: str,  # noqa: A002
) -> Iterator[bytes]:
    """The file in pieces. An XLSX is written whole first."""
    header = make_header(request.account, first=params.first, last=params.last)
    rows = stream_rows(params.make_question(request.account))
    if format == "csv":
        decimals: Decimals = "comma" if request.GET.get("decimals") == "comma" else "point"
        lines = write_csv(rows, header=header, grouping=params.grouping, decimals=decimals)
        return (piece.encode() for piece in lines)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "report.xlsx"
        write_xlsx(path, rows, header=header, grouping=params.grouping)
        file = path.open("rb")  # still readable when its folder is gone
    return iter(FileWrapper(file, PIECE_BYTES))


def list_groups(account: Account) -> list[str]:
    """The groups of the account's devices."""
    groups = Device.objects.filter(account=account).exclude(group="").order_by("group")
    return list(groups.values_list("group", flat=True).distinct()[:CHOICES])


def _render_months(account: Account, *, today: date, chosen: date) -> SafeString:
    months = list_months(account, today=today)
    pairs = [(str(month), name_month(month)) for month in months]
    return render_options(pairs, chosen=[str(chosen)])


def _render_gateways(account: Account, *, chosen: Collection[int]) -> SafeString:
    gateways = Gateway.objects.filter(account=account).order_by("code")
    return render_options(
        gateways.values_list("pk", "code")[:CHOICES], chosen=set(map(str, chosen))
    )


def _parse_strictly(request: AccountRequest) -> ReportParams | HttpResponse:
    try:
        return parse(request.GET, account=request.account, today=timezone.localdate())
    except ParamsError as wrong:
        text = _("The address is wrong: %(field)s: %(text)s") % {
            "field": wrong.field,
            "text": wrong,
        }
        return HttpResponse(text, status=400, content_type="text/plain; charset=utf-8")


def _describe(account: Account, params: ReportParams, rows: list[ReportRow]) -> dict[str, Any]:
    return {
        "lines": render_rows(rows, grouping=params.grouping, account=account),
        "zones": name_zones(account.zone, params.first, params.last),
        "titles": list_titles(params.grouping),
        "refreshed_at": read_freshness(account.pk).refreshed_at,
    }
