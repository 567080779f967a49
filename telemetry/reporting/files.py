"""A report as CSV and as XLSX. Rows stream through; memory does not grow with them.

Names come from outside: what programs would take for formulas is marked as text. Spreadsheets count
in binary floating point of some 15 digits: values that have more stay text, so that no program
rounds them silently.
"""

import csv
import io
from collections.abc import Iterable, Iterator, Sequence
from datetime import timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any, Literal

import xlsxwriter
from django.utils.translation import gettext as _

from telemetry.core.formulas import disarm
from telemetry.core.numbers import round_number, write_number
from telemetry.reporting.columns import STATES, Header, list_titles, name_line
from telemetry.store.billing.monthly_report import Grouping, ReportRow

BOM = "\ufeff"  # without it Excel takes UTF-8 for the machine's old code page
EXACT_DIGITS = 15
ROWS_A_PIECE = 200
DAY = timedelta(days=1)
WIDTHS = (12, 12, 32, 8, 9, 16, 14, 18, 16, 10, 10, 22)

Decimals = Literal["point", "comma"]


def write_csv(
    rows: Iterable[ReportRow], *, header: Header, grouping: Grouping, decimals: Decimals = "point"
) -> Iterator[str]:
    """The file in pieces. `comma`: decimal commas and semicolons between columns, as in Brazil."""
    buffer = io.StringIO()
    writer = csv.writer(buffer, delimiter=";" if decimals == "comma" else ",")

    def number(value: Decimal | None) -> str:
        return write_cell(value, decimals=decimals)

    states = {state: str(label) for state, label in STATES.items()}
    writer.writerow(list_titles(grouping))
    yield BOM
    count = 0
    for count, row in enumerate(rows, start=1):
        writer.writerow(
            [
                row.month.isoformat(), (row.month_end - DAY).isoformat(),
                disarm(name_line(row.label, grouping=grouping, account=header.account)),
                disarm(row.unit), row.devices_count, number(row.total), number(row.adjustments),
                number(row.billed_total), number(row.daily_mean), row.readings_count,
                number(row.coverage), states[row.state],
            ]
        )  # fmt: skip
        if count % ROWS_A_PIECE == 0:
            yield _take(buffer)
    yield _take(buffer)


def write_cell(value: Decimal | None, *, decimals: Decimals) -> str:
    """A number of a CSV file; nothing for None."""
    text = "" if value is None else write_number(value)
    return text.replace(".", ",") if decimals == "comma" else text


def _take(buffer: io.StringIO) -> str:
    text = buffer.getvalue()
    buffer.seek(0)
    buffer.truncate()
    return text


def write_xlsx(path: Path, rows: Iterable[ReportRow], *, header: Header, grouping: Grouping) -> int:
    """Write the file; how many rows."""
    with open_book(path) as book:
        sheet = book.add_worksheet(_("Consumption"))
        forms = make_forms(book)
        columns = list(zip(list_titles(grouping), WIDTHS, strict=True))
        set_up(sheet, forms, header=header, columns=columns)
        count = 0
        for count, row in enumerate(rows, start=1):
            _write_row(sheet, count, row, forms, header=header, grouping=grouping)
        sheet.autofilter(0, 0, count, len(WIDTHS) - 1)
        _describe(book, forms, header=header)
    return count


def open_book(path: Path) -> Any:
    """A workbook whose rows are written as they come, in order."""
    options = {"constant_memory": True, "strings_to_formulas": False, "strings_to_urls": False}
    return xlsxwriter.Workbook(str(path), options)


def make_forms(book: Any) -> dict[str, Any]:
    """How cells look, by what they hold."""
    return {
        "title": book.add_format({"bold": True, "bottom": 1, "text_wrap": True}),
        "day": book.add_format({"num_format": "yyyy-mm-dd"}),
        "number": book.add_format({"num_format": "#,##0.####"}),
        "count": book.add_format({"num_format": "#,##0"}),
        "share": book.add_format({"num_format": "0.0%"}),
        "exact": book.add_format({"align": "right"}),
        "text": book.add_format({"quote_prefix": True}),  # text, also after an edit
    }


def set_up(
    sheet: Any, forms: dict[str, Any], *, header: Header, columns: Sequence[tuple[str, int]]
) -> None:
    """Titles with widths, and how the sheet is printed."""
    for column, (title, width) in enumerate(columns):
        sheet.set_column(column, column, width)
        sheet.write_string(0, column, title, forms["title"])
    sheet.freeze_panes(1, 0)
    sheet.repeat_rows(0)
    sheet.set_landscape()
    sheet.set_paper(9)  # A4
    sheet.fit_to_pages(1, 0)
    safe = header.account.replace("&", "&&")
    sheet.set_footer(f"&L{safe}&C&P / &N&R{header.created}"[:255])


def _write_row(
    sheet: Any,
    line: int,
    row: ReportRow,
    forms: dict[str, Any],
    *,
    header: Header,
    grouping: Grouping,
) -> None:
    sheet.write_datetime(line, 0, row.month, forms["day"])
    sheet.write_datetime(line, 1, row.month_end - DAY, forms["day"])
    name = name_line(row.label, grouping=grouping, account=header.account)
    sheet.write_string(line, 2, name, forms["text"])
    sheet.write_string(line, 3, row.unit, forms["text"])
    sheet.write_number(line, 4, row.devices_count, forms["count"])
    for column, value in enumerate(
        (row.total, row.adjustments, row.billed_total, row.daily_mean), start=5
    ):
        write_quantity(sheet, line, column, value, forms)
    sheet.write_number(line, 9, row.readings_count, forms["count"])
    if row.coverage is not None:
        sheet.write_number(line, 10, float(round_number(row.coverage)), forms["share"])
    sheet.write_string(line, 11, str(STATES[row.state]))


def write_quantity(
    sheet: Any, line: int, column: int, value: Decimal | None, forms: dict[str, Any]
) -> None:
    """A number, or text where a spreadsheet would round it; nothing for None."""
    if value is None:
        return
    shown = round_number(value)
    if count_digits(shown) <= EXACT_DIGITS:
        sheet.write_number(line, column, float(shown), forms["number"])
    else:
        sheet.write_string(line, column, write_number(shown), forms["exact"])


def count_digits(value: Decimal) -> int:
    """Significant digits."""
    return len(value.normalize().as_tuple().digits)


def _describe(book: Any, forms: dict[str, Any], *, header: Header) -> None:
    sheet = book.add_worksheet(_("About"))
    sheet.set_column(0, 0, 22)
    sheet.set_column(1, 1, 90)
    for line, (name, text) in enumerate(
        (
            (_("Account"), header.account),
            (_("Time zone"), header.time_zone),
            (_("Created"), header.created),
            (_("Consumption"), _("What was consumed in the month; fixed once it is closed.")),
            (
                _("Adjustments"),
                _("Of earlier months, after they were closed; billed with this one."),
            ),
            (_("Billed"), _("Consumption and adjustments together.")),
            (_("Coverage"), _("Share of the expected intervals that have a reading.")),
            (
                _("Long numbers"),
                _("Figures of more than 15 digits are text: spreadsheets would round them."),
            ),
        )
    ):
        sheet.write_string(line, 0, name)
        sheet.write_string(line, 1, text, forms["text"])
