"""A picture as a table: the same figures, for those who do not see the drawing."""

from collections.abc import Iterator

from msgspec import Struct

from telemetry.store.lines import Sample
from telemetry.web.charts.picture import Picture, Show, mean_of, pick
from telemetry.web.wording import format_exact

MOST_ROWS = 500


class Table(Struct, frozen=True):
    """Rows newest first, each with its words for the time and one text a column. `left_out`: older
    rows that are not shown."""

    columns: tuple[str, ...]
    rows: tuple[tuple[str, tuple[str, ...]], ...]
    left_out: int


def read_table(picture: Picture) -> Table:
    """A column for each device that has a line; what is missing is empty."""
    columns = tuple(name for name, _ in picture.list_lines())
    if not columns:
        return Table((), (), 0)
    left_out = max(0, len(picture.chart.slots) - MOST_ROWS)
    return Table(columns, tuple(_list_rows(picture, left_out=left_out)), left_out)


def _list_rows(picture: Picture, *, left_out: int) -> Iterator[tuple[str, tuple[str, ...]]]:
    slots, lines = picture.chart.slots, [line for _, line in picture.list_lines()]
    for place in reversed(range(left_out, len(slots))):
        cells = tuple(_write(line[place], show=picture.show) for line in lines)
        yield picture.describe_slot(slots[place]), cells


def _write(sample: Sample | None, *, show: Show) -> str:
    if sample is None:
        return ""
    if show is Show.LEVEL and sample.readings_count > 1:
        low, high = format_exact(sample.minimum), format_exact(sample.maximum)
        return f"{format_exact(mean_of(sample))} ({low} \u2013 {high})"
    value = pick(sample, show)
    return "" if value is None else format_exact(value)
