"""A statement as CSV: a line for each meter of each device."""

import csv
import io
from collections.abc import Iterator
from datetime import datetime
from decimal import Decimal
from zoneinfo import ZoneInfo

from django.utils.functional import Promise
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from telemetry.core.formulas import disarm
from telemetry.core.statements import RegisterValue, Source
from telemetry.reporting.files import BOM, ROWS_A_PIECE, Decimals, write_cell
from telemetry.store.billing.statement import Statement

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


def write_statement_csv(
    statement: Statement, *, zone: ZoneInfo, decimals: Decimals
) -> Iterator[str]:
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
    yield buffer.getvalue()
