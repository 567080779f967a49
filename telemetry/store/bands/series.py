"""What some devices consumed together by band, in each of the hours or days of a chart.

The spans of bands are cut where a slot of the chart begins, and then added up as those of a month
are (`read.py`): so the bands of a slot come to what the devices consumed in it.
"""

from collections.abc import Sequence
from datetime import datetime, timedelta
from decimal import Decimal
from itertools import pairwise
from typing import Any, LiteralString

from django.db import connection

from telemetry.core.bands import HOUR, Span, list_spans
from telemetry.core.consumption import Consumption
from telemetry.store.bands.read import UNCUT, Period, add_cut_hours, add_gaps
from telemetry.store.db.sql import Queries

_TOGETHER = 0
"""Stands for all devices where the others have their ids."""


class Sql(Queries):
    whole_hours_together: LiteralString


def read_band_series(
    period: Period, *, device_ids: Sequence[int], borders: Sequence[datetime]
) -> dict[tuple[int, str], Consumption]:
    """By the number of the slot and by band. `borders`: where each slot begins, and the last ends:
    the whole period, on whole quarters of an hour."""
    parameters: dict[str, Any] = {
        "account": period.account_id, "devices": list(device_ids),
        "since": period.since, "until": period.until,
    }  # fmt: skip
    spans = _list_labelled(period, borders, cut=HOUR)
    whole = [span for span in spans if span.until - span.since == HOUR]
    consumed: dict[int, dict[str, Consumption]] = {}
    with connection.cursor() as cursor:
        hours: dict[str, Any] = {
            "hours": [span.since for span in whole], "labels": [span.band for span in whole],
        }  # fmt: skip
        cursor.execute(Sql.whole_hours_together, {**parameters, **hours})
        rows: Any = cursor.fetchall()
        consumed[_TOGETHER] = {label: Consumption(total, Decimal()) for label, total in rows}
        add_cut_hours(cursor, consumed, spans, parameters)
    add_gaps(consumed, _list_labelled(period, borders, cut=UNCUT), parameters)
    return _add_up(consumed)


def _list_labelled(
    period: Period, borders: Sequence[datetime], *, cut: timedelta
) -> tuple[Span, ...]:
    """The spans of all slots; the label of each is the number of its slot, and its band."""
    return tuple(
        Span(span.since, span.until, f"{number} {span.band}")
        for number, (since, until) in enumerate(pairwise(borders))
        for span in list_spans(since, until, period.calendar, period.zone, cut=cut)
    )


def _add_up(consumed: dict[int, dict[str, Consumption]]) -> dict[tuple[int, str], Consumption]:
    nothing = Consumption(Decimal(), Decimal())
    found: dict[tuple[int, str], Consumption] = {}
    for by_label in consumed.values():
        for label, of in by_label.items():
            number, _, band = label.partition(" ")
            before = found.get((int(number), band), nothing)
            found[int(number), band] = Consumption(
                before.total + of.total, before.estimated + of.estimated
            )
    return found
