"""A billing month by band as CSV and as XLSX: a line for each device and band."""

import csv
import io
from collections.abc import Iterable, Iterator
from decimal import Decimal
from pathlib import Path
from zoneinfo import ZoneInfo

from django.utils.translation import gettext as _

from telemetry.core.bands import REST
from telemetry.core.formulas import disarm
from telemetry.reporting.columns import STATES, Header
from telemetry.reporting.files import (
    BOM,
    Decimals,
    make_forms,
    open_book,
    set_up,
    write_cell,
    write_quantity,
)
from telemetry.store.bands.month import DeviceBands

WIDTHS = (32, 18, 16, 8, 14, 16, 12, 30, 12)
AT = 7  # the column of the demand's instant


def name_band(band: str) -> str:
    """What a band is called."""
    return _("Off-peak") if band == REST else band


def name_power(unit: str) -> str:
    """The unit of a demand: kW for kWh, m³/h for m³."""
    if unit.endswith("h") and len(unit) > 1:
        return unit[:-1].rstrip("·")
    return f"{unit}/h" if unit else ""


def list_band_titles() -> list[str]:
    """The columns' titles, in the language of now."""
    return [
        _("Device"), _("Band"), _("Consumption"), _("Unit"), _("Estimated"), _("Demand"),
        _("Unit of demand"), _("At"), _("State"),
    ]  # fmt: skip


def write_bands_csv(
    rows: Iterable[DeviceBands], *, zone: ZoneInfo, decimals: Decimals
) -> Iterator[str]:
    """The file in pieces, one for each device. `zone`: of the instants."""
    buffer = io.StringIO()
    writer = csv.writer(buffer, delimiter=";" if decimals == "comma" else ",")

    def number(value: Decimal | None) -> str:
        return write_cell(value, decimals=decimals)

    writer.writerow(list_band_titles())
    yield BOM
    for row in rows:
        for line in row.lines:
            at = line.demand_at.astimezone(zone).isoformat() if line.demand_at else ""
            writer.writerow(
                [
                    disarm(row.label), disarm(name_band(line.band)), number(line.total),
                    disarm(row.unit), number(line.estimated), number(line.demand),
                    disarm(name_power(row.unit)), at, str(STATES[row.state]),
                ]
            )  # fmt: skip
        yield buffer.getvalue()
        buffer.seek(0)
        buffer.truncate()
    yield buffer.getvalue()


def write_bands_xlsx(
    path: Path, rows: Iterable[DeviceBands], *, zone: ZoneInfo, header: Header
) -> None:
    """Write the same as a workbook. Instants are by the clock of `zone`, which a title names."""
    with open_book(path) as book:
        forms = make_forms(book)
        instant = book.add_format({"num_format": "yyyy-mm-dd hh:mm"})
        sheet = book.add_worksheet(_("Bands"))
        titles = list_band_titles()
        titles[AT] = f"{titles[AT]} ({zone.key})"
        set_up(sheet, forms, header=header, columns=list(zip(titles, WIDTHS, strict=True)))
        count = 0
        for row in rows:
            for line in row.lines:
                count += 1
                texts = (row.label, name_band(line.band), None, row.unit, None, None,
                         name_power(row.unit))  # fmt: skip
                for column, text in enumerate(texts):
                    if text is not None:
                        sheet.write_string(count, column, text, forms["text"])
                for column, value in ((2, line.total), (4, line.estimated), (5, line.demand)):
                    write_quantity(sheet, count, column, value, forms)
                if line.demand_at:
                    local = line.demand_at.astimezone(zone).replace(tzinfo=None)
                    sheet.write_datetime(count, AT, local, instant)
                sheet.write_string(count, AT + 1, str(STATES[row.state]))
        sheet.autofilter(0, 0, count, len(WIDTHS) - 1)
