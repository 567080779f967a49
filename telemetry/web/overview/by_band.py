"""The chart of the overview by time-of-use band."""

from collections import defaultdict
from collections.abc import Sequence
from datetime import UTC, datetime
from decimal import Decimal

from telemetry.reporting.bands import name_band
from telemetry.store.bands.month import read_calendar
from telemetry.store.bands.read import Period as BandPeriod
from telemetry.store.bands.series import read_band_series
from telemetry.store.reads.account_totals import MOST_DEVICES
from telemetry.store.reads.chart_series import Sample
from telemetry.web.charts.calendar import DAY, HOUR
from telemetry.web.charts.chart import Chart, Resolution, Slot, list_days, list_hours
from telemetry.web.charts.totals import Totals, fold
from telemetry.web.overview.by_device import choose_devices
from telemetry.web.overview.comparison import Before, Part, Parts, Question, find_before
from telemetry.web.overview.samples import make_sample


def read_by_band(question: Question) -> tuple[Parts, Before | None]:
    """Bands as they apply today, of the hundred devices that consumed most. At most fourteen
    queries."""
    ids, calendar = list(choose_devices(question)), question.calendar
    count = question.quantity.devices_count
    left_out = count - len(ids) if len(ids) >= MOST_DEVICES else 0
    slots: Sequence[Slot]
    if question.period.is_hourly:
        hours = list_hours(question.period, now=question.now)
        resolution, slots = Resolution.HOUR, hours
        borders = [*hours, hours[-1] + HOUR] if hours else []
    else:
        days = list_days(question.period, today=calendar.day_of(question.now))
        resolution, slots = Resolution.DAY, days
        borders = [calendar.start_of(day) for day in (*days, days[-1] + DAY)] if days else []
    by_band = _read(question, ids, borders, slots)
    totals = {band: fold(of.values()) for band, of in by_band.items()}
    in_order = sorted(by_band, key=lambda band: (-(totals[band].total or 0), band))
    chart = Chart(
        resolution,
        tuple(slots),
        {
            number: tuple(by_band[band].get(slot) for slot in slots)
            for number, band in enumerate(in_order)
        },
    )
    before = find_before(question, chart)
    parts = _make_parts(question, ids, in_order, totals=totals, chart=chart, before=before)
    return Parts(chart, parts, count, left_out), before


def _read(
    question: Question, ids: Sequence[int], borders: Sequence[datetime], slots: Sequence[Slot]
) -> dict[str, dict[Slot, Sample]]:
    """The samples of each band by slot."""
    if not borders or not ids:
        return {}
    borders = [border.astimezone(UTC) for border in borders]
    period = BandPeriod(
        question.account_id, borders[0], borders[-1], question.calendar.zone,
        read_calendar(question.account_id),
    )  # fmt: skip
    found: dict[str, dict[Slot, Sample]] = defaultdict(dict)
    consumed = read_band_series(period, device_ids=ids, borders=borders)
    for (number, band), of in consumed.items():
        found[band][slots[number]] = make_sample(slots[number], of.total, of.estimated)
    return found


def _make_parts(
    question: Question,
    ids: Sequence[int],
    bands: Sequence[str],
    *,
    totals: dict[str, Totals],
    chart: Chart,
    before: Before | None,
) -> list[Part]:
    earlier: dict[str, dict[Slot, Sample]] = {}
    if before is not None:
        ends = [question.calendar.start_of(day) for day in (before.first, before.until)]
        earlier = _read(question, ids, ends, [before.first])
    whole = sum((of.total or Decimal() for of in totals.values()), Decimal())
    parts = []
    for number, band in enumerate(bands):
        name, total = name_band(band), totals[band].total
        parts.append(
            Part(
                number,
                name,
                name,
                totals[band],
                share=total / whole if total is not None and whole else None,
                part=fold(chart.series[number][: before.days]).total if before else None,
                before=fold(earlier[band].values()).total if band in earlier else None,
            )
        )
    return parts
