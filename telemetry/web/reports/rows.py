"""The lines of a report as HTML, for the page and for paper: two thousand of them, and a template
is slow for this many cells."""

from collections.abc import Iterable
from functools import cache, partial

from django.urls import reverse
from django.utils.formats import date_format
from django.utils.html import escape
from django.utils.safestring import SafeString

from telemetry.models import Account
from telemetry.reporting.columns import STATES, name_line
from telemetry.store.billing.monthly_report import Grouping, ReportRow
from telemetry.web.formatting import NONE, read_numbers

_NEXT = '</td><td class="number">'
_BADGES = {"open": "", "closed": " good"}


def render_rows(rows: Iterable[ReportRow], *, grouping: Grouping, account: Account) -> SafeString:
    """A table row for each, with the columns of `list_titles`."""
    numbers = read_numbers()
    write_day = cache(partial(date_format, format="SHORT_DATE_FORMAT"))
    badges = {
        state: f'<span class="badge{_BADGES[state]}">{escape(text)}</span>'
        for state, text in STATES.items()
    }
    before, after = reverse("device", args=[account.pk, 0]).rsplit("0", 1)

    def render(row: ReportRow) -> str:
        name: str = escape(name_line(row.label, grouping=grouping, account=account.name))
        if grouping is Grouping.DEVICE:
            name = f'<a href="{before}{row.key}{after}">{name}</a>'
        values = (
            str(row.devices_count),
            numbers.write(row.total),
            numbers.write(row.adjustments) if row.adjustments else NONE,
            numbers.write(row.billed_total),
            numbers.round(row.daily_mean),
            str(row.readings_count),
            NONE if row.coverage is None else numbers.write_share(row.coverage),
        )
        return (
            f'<tr><td class="day">{write_day(row.month)}</td>'
            f'<td class="day">{write_day(row.last_day)}</td>'
            f'<th scope="row">{name}</th><td>{escape(row.unit)}</td><td class="number">'
            f"{_NEXT.join(values)}</td><td>{badges[row.state]}</td></tr>"
        )

    return SafeString("\n".join(map(render, rows)))  # nosec
