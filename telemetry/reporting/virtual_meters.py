"""Months of virtual meters as CSV: a line for each, and for each of its devices."""

import csv
import io
from collections.abc import Iterable, Iterator
from datetime import timedelta
from decimal import Decimal

from django.utils.translation import gettext as _

from telemetry.core.formulas import disarm
from telemetry.core.virtual_meters import Part
from telemetry.models import VirtualPart
from telemetry.reporting.columns import STATES
from telemetry.reporting.files import BOM, Decimals, write_cell
from telemetry.store.virtual_meters.months import VirtualMonth

DAY = timedelta(days=1)


def list_virtual_titles() -> list[str]:
    """The columns' titles, in the language of now."""
    return [
        _("Month from"), _("Month until"), _("Virtual meter"), _("Device"), _("Sign"),
        _("Consumption"), _("Unit"), _("Estimated"), _("Coverage"), _("State"),
    ]  # fmt: skip


def write_virtual_csv(months: Iterable[VirtualMonth], *, decimals: Decimals) -> Iterator[str]:
    """The file in pieces, one for each month of a meter."""
    buffer = io.StringIO()
    writer = csv.writer(buffer, delimiter=";" if decimals == "comma" else ",")

    def number(value: Decimal | None) -> str:
        return write_cell(value, decimals=decimals)

    def write(month: VirtualMonth, part: Part | None) -> None:
        of = part or month.sum
        writer.writerow(
            [
                month.month.isoformat(), (month.month_end - DAY).isoformat(),
                disarm(month.label), disarm(part.label) if part else "",
                str(VirtualPart.Sign(part.sign).label) if part else "",
                number(of.total), disarm(month.unit), number(of.estimated), number(of.coverage),
                str(STATES[month.state]),
            ]
        )  # fmt: skip

    writer.writerow(list_virtual_titles())
    yield BOM
    for month in months:
        write(month, None)
        for part in month.parts:
            write(month, part)
        yield buffer.getvalue()
        buffer.seek(0)
        buffer.truncate()
    yield buffer.getvalue()
