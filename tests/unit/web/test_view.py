"""A chart as JSON, as a table and as text."""

from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from zoneinfo import ZoneInfo

from django.utils.translation import override

from telemetry.store.reads.chart_series import Sample
from telemetry.web.charts.calendar import Calendar
from telemetry.web.charts.chart import Chart, Resolution, Series
from telemetry.web.charts.period import Period, Span, make_days, make_zoom
from telemetry.web.charts.table import MOST_ROWS, read_table
from telemetry.web.charts.to_json import to_json
from telemetry.web.charts.view import ChartView, DeviceLabel, Show

LISBON = Calendar(ZoneInfo("Europe/Lisbon"), 1)
HOUR = timedelta(hours=1)
# Clocks go back at 01:00 UTC on the 25th of October 2026.
CHANGE = datetime(2026, 10, 25, 0, tzinfo=UTC)


def sample(start: datetime | date, *values: str) -> Sample:
    found = [Decimal(value) for value in values]
    total = sum(found, Decimal())
    return Sample(start, total, Decimal(), total, min(found), max(found), found[-1], len(found))


def view(show: Show = Show.CONSUMPTION, *, series: dict[int, Series], period: Period) -> ChartView:
    resolution = Resolution.HOUR if period.span is Span.ZOOM else Resolution.DAY
    count = len(next(iter(series.values()), ()))
    slots = (
        [period.since + number * HOUR for number in range(count)]
        if resolution is Resolution.HOUR
        else [period.first + timedelta(days=number) for number in range(count)]
    )
    named = (DeviceLabel(1, "First <b>"), DeviceLabel(2, "Second"), DeviceLabel(3, "Silent"))
    return ChartView(Chart(resolution, tuple(slots), series), period, LISBON, named, show, "kWh")


def hours(*line: Sample | None, show: Show = Show.CONSUMPTION) -> ChartView:
    period = make_zoom(CHANGE, CHANGE + 30 * HOUR, calendar=LISBON)
    return view(show, series={1: line}, period=period)


def test_it_tells_the_hour_that_the_clock_shows_twice_apart() -> None:
    shown = hours(sample(CHANGE, "1.50"), None, sample(CHANGE + 2 * HOUR, "2"))
    with override("en"):
        chart_data = to_json(shown)
    assert chart_data["labels"] == [
        "2026-10-25 01:00 WEST", "2026-10-25 01:00 WET", "2026-10-25 02:00",
    ]  # fmt: skip
    [line] = chart_data["series"]
    assert line == {"name": "First <b>", "values": ["1.5", None, "2"]}
    first = int(CHANGE.timestamp() * 1000)
    assert chart_data["at"][0] == first + 30 * 60_000
    assert chart_data["gaps"] == [[first + 3_600_000, first + 2 * 3_600_000]]


def test_it_centres_days_of_23_and_25_hours() -> None:
    period = make_days(Span.RANGE, date(2026, 10, 25), date(2026, 11, 25), calendar=LISBON)
    line = (sample(period.first, "1"), sample(period.first + timedelta(days=1), "2"))
    chart_data = to_json(view(series={1: line}, period=period))
    start = period.since.timestamp() * 1000
    assert chart_data["at"] == [start + 12.5 * 3_600_000, start + (25 + 12) * 3_600_000]


def test_it_shows_least_and_most_of_levels_and_no_gaps_behind_several_series() -> None:
    period = make_zoom(CHANGE, CHANGE + 30 * HOUR, calendar=LISBON)
    one, two = (sample(CHANGE, "1", "2"), None), (None, sample(CHANGE + HOUR, "-7"))
    chart_data = to_json(view(Show.LEVEL, series={2: two, 1: one}, period=period))
    assert chart_data["series"] == [
        {"name": "First <b>", "values": ["1.5", None], "low": ["1", None], "high": ["2", None]},
        {"name": "Second", "values": [None, "-7"], "low": [None, "-7"], "high": [None, "-7"]},
    ]
    assert chart_data["gaps"] == []


def test_it_makes_a_table_newest_first_and_escapes_it() -> None:
    with override("pt-br"):
        table = read_table(hours(sample(CHANGE, "1234.5"), None))
    assert table.columns == ("First <b>",)
    assert [cells for _, cells in table.rows] == [("",), ("1.234,5",)]
    assert table.render_rows().count("<tr>") == 2
    hostile = read_table(hours(sample(CHANGE, "1")))
    assert "<i>" not in type(hostile)(("x",), (("<i>", ("<i>",)),), 0).render_rows()


def test_it_leaves_the_oldest_rows_of_a_long_table_out() -> None:
    period = make_days(Span.RANGE, date(2020, 1, 1), date(2022, 1, 1), calendar=LISBON)
    line = tuple(sample(period.first + timedelta(days=day), str(day)) for day in range(600))
    table = read_table(view(series={1: line}, period=period))
    assert (len(table.rows), table.left_out) == (MOST_ROWS, 100)
    assert table.rows[0][1] == ("599",)


def test_it_describes_what_is_shown() -> None:
    with override("en"):
        consumed = to_json(hours(sample(CHANGE, "1.5"), None, sample(CHANGE, "2")))["summary"]
        level = to_json(hours(sample(CHANGE, "1", "2"), sample(CHANGE, "9"), show=Show.LEVEL))
        nothing = to_json(view(series={}, period=hours().period))["summary"]
    assert consumed == (
        "Consumption by hour from 2026-10-25 01:00 to 2026-10-26 06:00. "
        "First <b>: 3.5\u00a0kWh in all, 1 missing."
    )
    assert "from 1.5\u00a0kWh to 9\u00a0kWh, at last 9\u00a0kWh" in level["summary"]
    assert nothing.endswith("No readings.")
