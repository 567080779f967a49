"""A billing month by band as CSV: a line for each device and band."""

import csv
import io
from collections.abc import Iterable, Iterator
from decimal import Decimal
from zoneinfo import ZoneInfo

from django.utils.translation import gettext as _

from telemetry.core.bands import REST
from telemetry.core.formulas import disarm
from telemetry.reporting.files import BOM, Decimals, write_cell
from telemetry.store.bands.month import DeviceBands


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
    rows: Iterable[DeviceBands], *, zone: ZoneInfo, states: dict[str, str], decimals: Decimals
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
                    disarm(name_power(row.unit)), at, states[row.state],
                ]
            )  # fmt: skip
        yield buffer.getvalue()
        buffer.seek(0)
        buffer.truncate()
    yield buffer.getvalue()
