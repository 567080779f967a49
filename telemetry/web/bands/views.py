"""Consumption by time-of-use band and the largest demand of a billing month: page, paper, files."""

import tempfile
from collections.abc import Iterable, Iterator
from datetime import date
from pathlib import Path
from wsgiref.util import FileWrapper

from django.http import HttpResponse, HttpResponseBase, StreamingHttpResponse
from django.shortcuts import render
from django.utils import timezone
from django.views.decorators.http import require_safe
from msgspec import Struct

from telemetry.accounts.exports import PacedStream, SlotsTakenError, take_slot
from telemetry.reporting.bands import name_band, name_power, write_bands_csv, write_bands_xlsx
from telemetry.reporting.files import Decimals
from telemetry.reporting.sending import make_header, name_file
from telemetry.store.bands.month import (
    DeviceBands,
    read_band_month,
    read_calendar,
    stream_band_month,
)
from telemetry.store.bands.read import BandLine
from telemetry.store.reads.freshness import read_freshness
from telemetry.web.account_page import AccountRequest, account_page
from telemetry.web.charts.period_names import name_month
from telemetry.web.long_select import render_options
from telemetry.web.reports.params import ParamsError, list_months, parse_month
from telemetry.web.reports.views import PIECE_BYTES, TAKEN, TYPES

ROWS = 50
PRINTED = 1_000


class BandRow(Struct, frozen=True):
    """A line of the page. `is_first`: of its device."""

    device: DeviceBands
    line: BandLine
    is_first: bool

    @property
    def band(self) -> str:
        """What it is called."""
        return name_band(self.line.band)

    @property
    def power_unit(self) -> str:
        """Of the demand."""
        return name_power(self.device.unit)


@require_safe
@account_page()
def bands(request: AccountRequest) -> HttpResponse:
    """A month by device and band; a wrong address is answered with what is wrong."""
    today = timezone.localdate()
    months = list_months(request.account, today=today)
    error = None
    try:
        month = _parse_month(request, months)
    except ParamsError as wrong:
        month, error = months[0], wrong
    number = request.GET.get("page", "1")
    page = int(number) if number.isdecimal() and 0 < len(number) < 10 else 1
    devices = read_band_month(
        request.account.pk, month=month, offset=(max(page, 1) - 1) * ROWS, limit=ROWS + 1
    )
    pairs = [(str(each), name_month(each)) for each in months]
    context = {
        "error": error,
        "month": month,
        "zone": request.account.zone_on(month).key,
        "months": render_options(pairs, chosen=[str(month)]),
        "has_bands": bool(read_calendar(request.account.pk).periods),
        "rows": _make_rows(devices[:ROWS]),
        "page": page,
        "has_more": len(devices) > ROWS,
        "refreshed_at": read_freshness(request.account.pk).refreshed_at,
    }
    page_of_month = "telemetry/bands/bands.html"
    with timezone.override(request.account.zone_on(month)):  # quarters of an hour are shown in it
        return render(request, page_of_month, context, status=400 if error else 200)


@require_safe
@account_page()
def printed(request: AccountRequest) -> HttpResponse:
    """The month on paper."""
    try:
        month = _parse_month(request, list_months(request.account, today=timezone.localdate()))
    except ParamsError as wrong:
        return HttpResponse(str(wrong), status=400, content_type="text/plain; charset=utf-8")
    devices = read_band_month(request.account.pk, month=month, limit=PRINTED + 1)
    context = {
        "month": month,
        "zone": request.account.zone_on(month).key,
        "rows": _make_rows(devices[:PRINTED]),
        "is_cut": len(devices) > PRINTED,
        "most": PRINTED,
        "header": make_header(request.account, first=month),
        "refreshed_at": read_freshness(request.account.pk).refreshed_at,
    }
    with timezone.override(request.account.zone_on(month)):
        return render(request, "telemetry/bands/printed.html", context)


@require_safe
@account_page()
def download(request: AccountRequest, format: str) -> HttpResponseBase:  # noqa: A002
    """The month as a file, all devices of it."""
    months = list_months(request.account, today=timezone.localdate())
    try:
        month = _parse_month(request, months)
    except ParamsError as wrong:
        return HttpResponse(str(wrong), status=400, content_type="text/plain; charset=utf-8")
    try:
        slot = take_slot(user_id=request.user.pk, account_id=request.account.pk)
    except SlotsTakenError as error:
        text = TAKEN[error.subject]
        return HttpResponse(text, status=429, content_type="text/plain; charset=utf-8")
    pieces = None
    try:
        pieces = _write_file(request, month, format)
    finally:
        if pieces is None:
            slot.release()
    answer = StreamingHttpResponse(PacedStream(pieces, slot=slot), content_type=TYPES[format])
    name = f"bands-{name_file(request.account, month, format=format)}"
    answer.headers["Content-Disposition"] = f'attachment; filename="{name}"'
    return answer


def _write_file(
    request: AccountRequest,
    month: date,
    format: str,  # noqa: A002
) -> Iterator[bytes]:
    """The file in pieces. An XLSX is written whole first."""
    rows = stream_band_month(request.account.pk, month=month)
    zone = request.account.zone_on(month)
    if format == "csv":
        decimals: Decimals = "comma" if request.GET.get("decimals") == "comma" else "point"
        lines = write_bands_csv(rows, zone=zone, decimals=decimals)
        return (piece.encode() for piece in lines)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "bands.xlsx"
        header = make_header(request.account, first=month)
        write_bands_xlsx(path, rows, zone=zone, header=header)
        file = path.open("rb")  # still readable when its folder is gone
    return iter(FileWrapper(file, PIECE_BYTES))


def _make_rows(devices: Iterable[DeviceBands]) -> list[BandRow]:
    return [
        BandRow(device, line, is_first=number == 0)
        for device in devices
        for number, line in enumerate(device.lines)
    ]


def _parse_month(request: AccountRequest, months: list[date]) -> date:
    """The month that an address names, else the last one that is over. Raises `ParamsError`."""
    return parse_month(request.GET, "month", months[1], account=request.account)
