"""A chart as a table: the same values, for those who do not see the chart."""

from collections.abc import Iterator

from django.utils.html import escape
from django.utils.safestring import SafeString
from msgspec import Struct

from telemetry.store.reads.chart_series import Sample
from telemetry.web.charts.view import ChartView, Show, pick
from telemetry.web.formatting import Numbers, read_numbers

MOST_ROWS = 500


class Table(Struct, frozen=True):
    """Names of the columns after the time; rows newest first, each with a text for every column.

    `left_out`: older rows that are not shown.
    """

    columns: tuple[str, ...]
    rows: tuple[tuple[str, tuple[str, ...]], ...]
    left_out: int

    def render_rows(self) -> SafeString:
        """The rows as HTML: there are thousands of cells, and a template is slow at them."""
        rows = (escape("\t".join((time, *cells))).split("\t") for time, cells in self.rows)
        return SafeString(  # nosec
            "\n".join(
                f"<tr><th scope=row>{time}</th><td class=number>"
                f"{'</td><td class=number>'.join(cells)}</td></tr>"
                for time, *cells in rows
            )
        )


def read_table(view: ChartView) -> Table:
    """A column for each device that has a line; what is missing is empty."""
    columns = tuple(name for name, _ in view.list_series())
    if not columns:
        return Table((), (), 0)
    left_out = max(0, len(view.chart.slots) - MOST_ROWS)
    return Table(columns, tuple(_list_rows(view, left_out=left_out)), left_out)


def _list_rows(view: ChartView, *, left_out: int) -> Iterator[tuple[str, tuple[str, ...]]]:
    labels, series_by_column = view.slot_labels, [series for _, series in view.list_series()]
    numbers = read_numbers()
    for index in reversed(range(left_out, len(labels))):
        yield (
            labels[index],
            tuple(
                _write(series[index], show=view.show, numbers=numbers)
                for series in series_by_column
            ),
        )


def _write(sample: Sample | None, *, show: Show, numbers: Numbers) -> str:
    if sample is None:
        return ""
    value = pick(sample, show)
    if value is None:
        return ""
    if show is Show.LEVEL and sample.minimum is not None and sample.maximum is not None:
        low, high = numbers.write(sample.minimum), numbers.write(sample.maximum)
        if sample.readings_count > 1:
            return f"{numbers.write(value)} ({low} \u2013 {high})"
    return numbers.write(value)
