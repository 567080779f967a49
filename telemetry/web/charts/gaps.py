"""Stretches of a line without samples. Pure."""

from collections.abc import Iterator
from datetime import datetime
from itertools import groupby

from telemetry.web.charts.chart import Line, Resolution
from telemetry.web.charts.view import ChartView

Stretch = tuple[datetime, datetime]


def list_gaps(view: ChartView, *, line: Line) -> list[Stretch]:
    """From the first missing slot of each run to the end of its last.

    Between single readings and between minutes: from the one before to the one after.
    """
    spans = view.spans
    if view.chart.resolution in (Resolution.READING, Resolution.MINUTE):
        return [(spans[place - 1][1], spans[place + 1][0]) for place, _ in _list_runs(line)]
    return [(spans[first][0], spans[last][1]) for first, last in _list_runs(line)]


def _list_runs(line: Line) -> Iterator[tuple[int, int]]:
    """First and last place of each run of None."""
    places = range(len(line))
    for is_missing, run in groupby(places, key=lambda place: line[place] is None):
        if is_missing:
            found = list(run)
            yield found[0], found[-1]
