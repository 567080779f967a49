"""A statement as CSV and XLSX: a line for each meter of each device; one for a virtual meter."""

import csv
import io
from collections.abc import Iterator
from datetime import datetime, tzinfo
from decimal import Decimal
from pathlib import Path
from typing import Any, TypeAlias

from django.utils.functional import Promise
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from telemetry.core.formulas import disarm
from telemetry.core.statements import RegisterValue, Source
from telemetry.reporting.columns import Header
from telemetry.reporting.files import (
    BOM,
    ROWS_A_PIECE,
    Decimals,
    make_forms,
    open_book,
    set_up,
    write_cell,
    write_quantity,
)
from telemetry.store.billing.statement import Statement
from telemetry.store.billing.statement_devices import DeviceStatement

INSTANTS = (3, 4, 6, 9)  # columns
WIDTHS = (32, 16, 9, 19, 19, 16, 19, 13, 16, 19, 13, 16, 8, 12)
SOURCES: dict[Source, Promise] = {
    "measured": gettext_lazy("measured"),
    "interpolated": gettext_lazy("interpolated"),
    "entered": gettext_lazy("meter changed"),
}


def list_statement_titles() -> list[str]:
    """The columns' titles, in the language of now."""
    return [
        _("Device"), _("Meter"), _("Factor"), _("From"), _("To"),
        _("Register before"), _("Read at"), _("How"), _("Register after"), _("Read at"), _("How"),
        _("Consumption"), _("Unit"), _("Estimated"),
    ]  # fmt: skip


def write_statement_csv(statement: Statement, *, zone: tzinfo, decimals: Decimals) -> Iterator[str]:
    """The file in pieces. `zone`: of the instants, which have their offset."""
    buffer = io.StringIO()
    writer = csv.writer(buffer, delimiter=";" if decimals == "comma" else ",")

    def number(value: Decimal | None) -> str:
        return write_cell(value, decimals=decimals)

    def instant(at: datetime) -> str:
        return at.astimezone(zone).isoformat()

    def register(value: RegisterValue | None) -> list[str]:
        if value is None:
            return ["", "", ""]
        return [number(value.value), instant(value.at), str(SOURCES[value.source])]

    writer.writerow(list_statement_titles())
    yield BOM
    for count, row in enumerate(statement.devices, start=1):
        if not row.parts:
            both = [instant(statement.since), instant(statement.until)]
            writer.writerow(
                [disarm(row.label), "", "", *both, *[""] * 6, "0", disarm(row.unit), "0"]
            )
        for part in row.parts:
            writer.writerow(
                [
                    disarm(row.label), disarm(part.serial), number(part.factor),
                    instant(part.since), instant(part.until),
                    *register(part.opening), *register(part.closing),
                    number(part.total), disarm(part.unit), number(part.estimated),
                ]
            )  # fmt: skip
        if count % ROWS_A_PIECE == 0:
            yield buffer.getvalue()
            buffer.seek(0)
            buffer.truncate()
    virtual = statement.virtual
    if virtual is not None:
        both = [instant(statement.since), instant(statement.until)]
        values = [number(virtual.total), disarm(virtual.unit), number(virtual.estimated)]
        writer.writerow([disarm(virtual.label), "", "", *both, *[""] * 6, *values])
    yield buffer.getvalue()


def write_statement_xlsx(path: Path, statement: Statement, *, zone: tzinfo, header: Header) -> None:
    """Write the same as a workbook. Instants are by the clock of `zone`, which the titles name."""
    with open_book(path) as book:
        forms = make_forms(book)
        forms["instant"] = book.add_format({"num_format": "yyyy-mm-dd hh:mm:ss"})
        sheet = book.add_worksheet(_("Statement"))
        titles = list_statement_titles()
        for column in INSTANTS:
            titles[column] = f"{titles[column]} ({statement.time_zone})"
        set_up(sheet, forms, header=header, columns=list(zip(titles, WIDTHS, strict=True)))
        lines = [line for row in statement.devices for line in _list_lines(statement, row)]
        if statement.virtual is not None:
            of = statement.virtual
            lines.append(_make_line(statement, of.label, of.total, of.unit, of.estimated))
        for number, line in enumerate(lines, start=1):
            for column, value in enumerate(line):
                _write_cell(sheet, number, column, value, forms, zone=zone)
        sheet.autofilter(0, 0, len(lines), len(WIDTHS) - 1)


Cell: TypeAlias = str | datetime | Decimal | None


def _list_lines(statement: Statement, row: DeviceStatement) -> Iterator[list[Cell]]:
    if not row.parts:
        yield _make_line(statement, row.label, Decimal(0), row.unit, Decimal(0))
    for part in row.parts:
        registers: list[Cell] = []
        for one in (part.opening, part.closing):
            if one is None:
                registers += [None, None, None]
            else:
                registers += [one.value, one.at, str(SOURCES[one.source])]
        yield [
            row.label, part.serial, part.factor, part.since, part.until, *registers,
            part.total, part.unit, part.estimated,
        ]  # fmt: skip


def _make_line(
    statement: Statement, label: str, total: Decimal, unit: str, estimated: Decimal
) -> list[Cell]:
    """A line without a meter."""
    both = [statement.since, statement.until]
    return [label, "", None, *both, *[None] * 6, total, unit, estimated]


def _write_cell(
    sheet: Any, line: int, column: int, value: Cell, forms: dict[str, Any], *, zone: tzinfo
) -> None:
    if isinstance(value, datetime):
        local = value.astimezone(zone).replace(tzinfo=None)
        sheet.write_datetime(line, column, local, forms["instant"])
    elif isinstance(value, str):
        sheet.write_string(line, column, value, forms["text"])
    else:
        write_quantity(sheet, line, column, value, forms)
