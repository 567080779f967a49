"""A picture as the page's module draws it: plain data for `json_script`, numbers as exact text."""

from collections.abc import Callable
from datetime import datetime
from decimal import Decimal
from typing import Any

from telemetry.store.reads.chart_series import Sample
from telemetry.web.charts.chart import Line
from telemetry.web.charts.gaps import list_gaps
from telemetry.web.charts.picture import Picture, Show, pick
from telemetry.web.charts.summary import summarise
from telemetry.web.charts.ticks import choose_ticks


def draw(picture: Picture) -> dict[str, Any]:
    """Lines in the order of the devices; places on the axis in milliseconds since 1970.

    Gaps are listed when there is one line: behind several they would say nothing.
    """
    period, calendar = picture.period, picture.calendar
    lines = picture.list_lines()
    gaps = list_gaps(picture, line=lines[0][1]) if len(lines) == 1 else []
    return {
        "summary": summarise(picture),
        "unit": picture.unit,
        "show": picture.show,
        "resolution": picture.chart.resolution,
        "since": _ms(period.since),
        "until": _ms(period.until),
        "ticks": [
            [_ms(tick.at), tick.words]
            for tick in choose_ticks(period.since, period.until, zone=calendar.zone)
        ],
        "at": [_ms(start + (end - start) / 2) for start, end in picture.spans],
        "labels": picture.words,
        "gaps": [[_ms(start), _ms(end)] for start, end in gaps],
        "lines": [_draw_line(line, name=name, show=picture.show) for name, line in lines],
    }


def _draw_line(line: Line, *, name: str, show: Show) -> dict[str, Any]:
    figures: dict[str, Callable[[Sample], Decimal | None]] = {
        "values": lambda sample: pick(sample, show)
    }
    if show is Show.LEVEL:
        figures |= {"low": lambda sample: sample.minimum, "high": lambda sample: sample.maximum}
    return {"name": name} | {
        figure: [None if sample is None else _write(read(sample)) for sample in line]
        for figure, read in figures.items()
    }


def _ms(at: datetime) -> int:
    return int(at.timestamp() * 1000)


def _write(value: Decimal | None) -> str | None:
    """Every digit but trailing zeros."""
    if value is None:
        return None
    text = f"{value:f}"
    return text.rstrip("0").rstrip(".") if "." in text else text
