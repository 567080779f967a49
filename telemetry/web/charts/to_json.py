"""A chart as JSON for the browser (`charts.js`): plain values, numbers as exact text."""

from collections.abc import Callable
from datetime import datetime
from decimal import Decimal
from typing import Any

from telemetry.store.reads.chart_series import Sample
from telemetry.web.charts.chart import Series
from telemetry.web.charts.gaps import list_gaps
from telemetry.web.charts.summary import summarise
from telemetry.web.charts.ticks import choose_ticks
from telemetry.web.charts.view import (
    OTHER,
    ChartView,
    Show,
    describe_unit,
    find_slot,
    list_weekends,
    pick,
)


def to_json(view: ChartView, *, now: datetime | None = None) -> dict[str, Any]:
    """Series in the order of the devices; positions on the axis in milliseconds since 1970.

    Gaps are listed when there is one series: behind several they would say nothing. `current`: the
    index of the slot that holds `now`, -1 for none or where nothing is known of it. `other`: the
    series of what is not told apart.
    """
    period, calendar = view.period, view.calendar
    named = view.list_series()
    others = [label.name for label in view.devices if label.device_id == OTHER]
    current = find_slot(view, now) if now is not None else -1
    gaps = list_gaps(view, series=named[0][1], current=current) if len(named) == 1 else []
    return {
        "summary": summarise(view),
        "unit": view.unit,
        "caption": describe_unit(view),
        "show": view.show,
        "resolution": view.chart.resolution,
        "since": to_ms(period.since),
        "until": to_ms(period.until),
        "ticks": [
            [to_ms(tick.at), tick.label]
            for tick in choose_ticks(period.since, period.until, zone=calendar.zone)
        ],
        "at": [to_ms(start + (end - start) / 2) for start, end in view.spans],
        "labels": view.slot_labels,
        "gaps": [[to_ms(start), to_ms(end)] for start, end in gaps],
        "weekends": [[to_ms(start), to_ms(end)] for start, end in list_weekends(view)],
        "current": current if _is_known(view, current) else -1,
        "series": [_series_to_json(series, label=name, show=view.show) for name, series in named],
        "other": others[0] if others else "",
    }


def _is_known(view: ChartView, index: int) -> bool:
    return index >= 0 and any(series[index] is not None for _, series in view.list_series())


def _series_to_json(series: Series, *, label: str, show: Show) -> dict[str, Any]:
    readers: dict[str, Callable[[Sample], Decimal | None]] = {
        "values": lambda sample: pick(sample, show)
    }
    if show is Show.LEVEL:
        readers |= {"low": lambda sample: sample.minimum, "high": lambda sample: sample.maximum}
    estimated = [bool(sample and sample.estimated) for sample in series]
    more = {"estimated": estimated} if show is Show.CONSUMPTION and any(estimated) else {}
    return {"name": label, **more} | {
        name: [None if sample is None else write(read(sample)) for sample in series]
        for name, read in readers.items()
    }


def to_ms(at: datetime) -> int:
    """Milliseconds since 1970."""
    return int(at.timestamp() * 1000)


def write(value: Decimal | None) -> str | None:
    """Every digit but trailing zeros."""
    if value is None:
        return None
    text = f"{value:f}"
    return text.rstrip("0").rstrip(".") if "." in text else text
