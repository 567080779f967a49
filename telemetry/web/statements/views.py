"""What devices consumed between two instants: a page, a page to print, and a file."""

import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from wsgiref.util import FileWrapper
from zoneinfo import ZoneInfo

from django.http import HttpResponse, HttpResponseBase, StreamingHttpResponse
from django.shortcuts import render
from django.utils.text import slugify
from django.utils.translation import gettext as _
from django.views.decorators.http import require_safe

from telemetry.accounts.exports import PacedStream, SlotsTakenError, take_slot
from telemetry.reporting.files import Decimals
from telemetry.reporting.sending import make_header
from telemetry.reporting.statements import write_statement_csv, write_statement_xlsx
from telemetry.store.billing.statement import MOST_EVENTS, Statement, read_statement
from telemetry.store.billing.statement_devices import StatementError
from telemetry.web.account_page import AccountRequest, account_page
from telemetry.web.reports.views import PIECE_BYTES, TAKEN, TYPES
from telemetry.web.statements.forms import StatementForm, fill_form

ROWS = 200  # on the page; paper and file have all


@require_safe
@account_page()
def statement(request: AccountRequest) -> HttpResponse:
    """The page. A wrong address is answered with what is wrong; without an address, it is the
    account's last billing month."""
    form = fill_form(request.GET, account=request.account)
    found = _read(form)
    address = request.GET.copy()
    for name in ("since", "until"):
        address.setdefault(name, form.data[name])
    context = {**_describe(request, form, found, most_rows=ROWS), "address": address.urlencode()}
    page = "telemetry/statements/statement.html"
    return render(request, page, context, status=200 if found else 400)


@require_safe
@account_page()
def printed(request: AccountRequest) -> HttpResponse:
    """The same on paper."""
    form = fill_form(request.GET, account=request.account)
    found = _read(form)
    if found is None:
        return _explain(form)
    context = {**_describe(request, form, found), "header": make_header(request.account)}
    return render(request, "telemetry/statements/printed.html", context)


@require_safe
@account_page()
def download(request: AccountRequest, format: str) -> HttpResponseBase:  # noqa: A002
    """The same as a file: a line for each meter."""
    form = fill_form(request.GET, account=request.account)
    found = _read(form)
    if found is None:
        return _explain(form)
    try:
        slot = take_slot(user_id=request.user.pk, account_id=request.account.pk)
    except SlotsTakenError as error:
        text = TAKEN[error.subject]
        return HttpResponse(text, status=429, content_type="text/plain; charset=utf-8")
    pieces = None
    try:
        pieces = _write_file(request, found, format)
    finally:
        if pieces is None:
            slot.release()
    answer = StreamingHttpResponse(PacedStream(pieces, slot=slot), content_type=TYPES[format])
    days = f"{form.cleaned_data['since']:%Y%m%d}-{form.cleaned_data['until']:%Y%m%d}"
    name = f"statement-{slugify(request.account.name) or request.account.pk}-{days}.{format}"
    answer.headers["Content-Disposition"] = f'attachment; filename="{name}"'
    return answer


def _write_file(request: AccountRequest, found: Statement, format: str) -> Iterator[bytes]:  # noqa: A002
    """The file in pieces. An XLSX is written whole first."""
    zone = ZoneInfo(request.account.time_zone)
    if format == "csv":
        decimals: Decimals = "comma" if request.GET.get("decimals") == "comma" else "point"
        lines = write_statement_csv(found, zone=zone, decimals=decimals)
        return (piece.encode() for piece in lines)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "statement.xlsx"
        write_statement_xlsx(path, found, zone=zone, header=make_header(request.account))
        file = path.open("rb")  # still readable when its folder is gone
    return iter(FileWrapper(file, PIECE_BYTES))


def _read(form: StatementForm) -> Statement | None:
    """The statement; None, with the form's errors, where there is none."""
    if not form.is_valid():
        return None
    try:
        return read_statement(form.question)
    except StatementError as error:
        form.add_error(error.field, str(error))
        return None


def _explain(form: StatementForm) -> HttpResponse:
    [(field, errors), *_rest] = form.errors.items()
    text = _("The address is wrong: %(field)s: %(text)s") % {"field": field, "text": errors[0]}
    return HttpResponse(text, status=400, content_type="text/plain; charset=utf-8")


def _describe(
    request: AccountRequest,
    form: StatementForm,
    found: Statement | None,
    *,
    most_rows: int | None = None,
) -> dict[str, Any]:
    labels = {row.device_id: row.label for row in found.devices} if found else {}
    return {
        "form": form,
        "statement": found,
        "rows": found.devices[:most_rows] if found else [],
        "is_cut": found is not None and most_rows is not None and len(found.devices) > most_rows,
        "most_rows": most_rows,
        "subject": _name_subject(form, labels) if found else "",
        "edits": [(labels[edit.device_id], edit) for edit in found.edits] if found else [],
        "findings": [(labels[one.device_id], one) for one in found.findings] if found else [],
        "most": MOST_EVENTS,
        "device_id": form.cleaned_data.get("device") if form.is_bound and found else None,
    }


def _name_subject(form: StatementForm, labels: dict[int, str]) -> str:
    """What the statement is about, for its heading."""
    chosen = form.cleaned_data
    if chosen["device"] is not None:
        return labels.get(chosen["device"], "")
    parts = [dict(form.fields["gateway"].choices).get(str(chosen["gateway"]), ""), chosen["group"]]  # type: ignore[attr-defined]
    return " · ".join(part for part in parts if part)
