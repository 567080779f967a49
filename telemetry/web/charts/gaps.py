"""Stretches of a series without samples. Pure."""

from collections.abc import Iterator
from datetime import datetime
from itertools import groupby

from telemetry.web.charts.chart import Resolution, Series
from telemetry.web.charts.view import ChartView

Stretch = tuple[datetime, datetime]


def list_gaps(view: ChartView, *, series: Series, current: int = -1) -> list[Stretch]:
    """From the first missing slot of each run to the end of its last. `current`: a slot that goes
    on, and misses nothing yet.

    Between single readings and between minutes: from the one before to the one after.
    """
    spans = view.spans
    if view.chart.resolution in (Resolution.READING, Resolution.MINUTE):
        return [(spans[index - 1][1], spans[index + 1][0]) for index, _ in _list_runs(series)]
    known = series[:current] if current == len(series) - 1 else series
    return [(spans[first][0], spans[last][1]) for first, last in _list_runs(known)]


def _list_runs(series: Series) -> Iterator[tuple[int, int]]:
    """First and last index of each run of None."""
    for is_missing, run in groupby(range(len(series)), key=lambda index: series[index] is None):
        if is_missing:
            indexes = list(run)
            yield indexes[0], indexes[-1]
