"""What charts show equals plain SQL over the raw readings, whatever the account's time zone."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from itertools import pairwise
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from telemetry.core.consumption import Meter, Value
from telemetry.models import Device
from telemetry.store.aggregates.refresh import refresh_aggregates
from telemetry.store.db.connection import Connection
from telemetry.web.charts.calendar import Calendar, floor_hour
from telemetry.web.charts.chart import Chart, Resolution, read_chart, read_device_chart
from telemetry.web.charts.period import Period, parse_period
from tests.consumption import Site, put, read, register
from tests.random_cases import random_cases

pytestmark = pytest.mark.integration

# Zones about a change of their clocks: 23 and 25 hours, midnight left out or twice, half hours.
PLACES = (
    ("UTC", datetime(2026, 11, 24, tzinfo=UTC)),
    ("America/New_York", datetime(2026, 10, 29, tzinfo=UTC)),
    ("Europe/Lisbon", datetime(2026, 3, 26, tzinfo=UTC)),
    ("Atlantic/Azores", datetime(2026, 10, 22, tzinfo=UTC)),
    ("America/Sao_Paulo", datetime(2018, 11, 1, tzinfo=UTC)),
    ("Australia/Lord_Howe", datetime(2026, 4, 1, 12, tzinfo=UTC)),
    ("Asia/Kolkata", datetime(2026, 11, 26, tzinfo=UTC)),
    ("Asia/Kathmandu", datetime(2026, 11, 26, tzinfo=UTC)),
)
MEASUREMENTS = ("delta", "cumulative", "gauge")
MINUTES = 9 * 24 * 60
# Registers only grow here: what they counted is then the difference that `lag` sees.
BUCKETS = """
SELECT bucket,
    CASE %(measurement)s WHEN 'delta' THEN sum(value) WHEN 'cumulative' THEN sum(step) END,
    sum(value), min(value), max(value), (array_agg(value ORDER BY time DESC))[1], count(*)
FROM (
    SELECT {bucket} AS bucket, time, value,
        value - coalesce(lag(value) OVER (ORDER BY time), value) AS step
    FROM reading WHERE device_id = %(device)s AND account_id = %(account)s
) steps
GROUP BY bucket
"""
HOURS = BUCKETS.format(bucket="date_trunc('hour', time - interval '1 microsecond', 'UTC')")
DAYS = BUCKETS.format(bucket="((time - interval '1 microsecond') AT TIME ZONE %(zone)s)::date")

minutes = st.integers(0, MINUTES) | st.integers(0, MINUTES // 30).map(lambda half: half * 30)
values = st.integers(-(10**7), 10**15 - 1).map(lambda whole: Decimal(whole) / 10_000)
series = st.dictionaries(minutes, values, max_size=40)
spans = st.sampled_from(["24h", "7d", "30d", "month", "range", "zoom"])


@st.composite
def questions(draw: Any) -> dict[str, Any]:
    """A period and the instant at which it is asked for, in minutes after the place's start."""
    first, last = sorted(draw(st.tuples(minutes, minutes)))
    return {"span": draw(spans), "first": first, "last": last + 1, "now": draw(minutes)}


def find_period(site: Site, start: datetime, params: dict[str, Any]) -> tuple[Period, datetime]:
    calendar, now = calendar_of(site), start + timedelta(minutes=params["now"])
    since, until = (start + timedelta(minutes=params[end]) for end in ("first", "last"))
    given = {
        "period": params["span"],
        "from": calendar.day_of(since).isoformat(),
        "to": calendar.day_of(until).isoformat(),
        "since": since.isoformat(),
        "until": until.isoformat(),
    }
    period, errors = parse_period(given, calendar=calendar, now=now, longest=timedelta(days=93))
    assert errors == {}
    return period, now


def calendar_of(site: Site) -> Calendar:
    return Calendar(ZoneInfo(site.zone), site.billing_day)


def fill(connection: Connection, site: Site, start: datetime, values: dict[int, Decimal]) -> None:
    by_minute = sorted(values.items())
    ordered = sorted(abs(value) for _, value in by_minute)
    readings = [
        Value(
            start + timedelta(minutes=minute, seconds=minute % 60),
            ordered[index] if site.meter.measurement == "cumulative" else value,
        )
        for index, (minute, value) in enumerate(by_minute)
    ]
    put(connection, [(site, reading) for reading in readings])


def ask_raw(connection: Connection, site: Site, statement: str) -> dict[Any, tuple[Any, ...]]:
    """What plain SQL says, by hour or local day."""
    given = {
        "measurement": site.meter.measurement, "device": site.device_id,
        "account": site.account_id, "zone": site.zone,
    }  # fmt: skip
    rows: Any = connection.execute(statement, given).fetchall()  # type: ignore[arg-type]
    return {row[0]: tuple(row[1:]) for row in rows}


def show(chart: Chart, site: Site) -> dict[Any, tuple[Any, ...] | None]:
    line = chart.series.get(site.device_id, (None,) * len(chart.slots))
    assert len(line) == len(chart.slots)
    return {
        slot: None
        if sample is None
        else (
            sample.total, sample.reading_sum, sample.minimum, sample.maximum, sample.last,
            sample.readings_count,
        )
        for slot, sample in zip(chart.slots, line, strict=True)
    }  # fmt: skip


@random_cases(12)
@given(data=st.data())
def test_it_shows_what_plain_sql_says_of_the_raw_readings(
    connection: Connection, data: Any
) -> None:
    sites: list[tuple[Site, datetime]] = []
    for zone, start in PLACES:
        billing_day = data.draw(st.integers(1, 31))
        account: Site | None = None
        for measurement in MEASUREMENTS:
            meter = Meter(measurement)  # type: ignore[arg-type]
            account = register(
                connection, meter, zone=zone, billing_day=billing_day, beside=account
            )
            fill(connection, account, start, data.draw(series))
            sites.append((account, start))
    refresh_aggregates(connection)
    for site, start in sites:
        period, now = find_period(site, start, data.draw(questions()))
        calendar = calendar_of(site)
        chart = read_chart(
            site.account_id, device_ids=[site.device_id], period=period, calendar=calendar, now=now
        )
        shown = show(chart, site)
        if chart.resolution is Resolution.HOUR:
            found = ask_raw(connection, site, HOURS)
            first, until = floor_hour(period.since), min(period.until, now)
            slots: list[Any] = []
            while first < until:
                slots.append(first)
                first += timedelta(hours=1)
        else:
            found = ask_raw(connection, site, DAYS)
            last = min(period.end, calendar.day_of(now) + timedelta(days=1))
            slots = [
                period.first + timedelta(days=day) for day in range((last - period.first).days)
            ]
        assert shown == {slot: found.get(slot) for slot in slots}, (site, period)


@random_cases(10)
@given(data=st.data())
def test_it_shows_every_reading_of_a_short_period(connection: Connection, data: Any) -> None:
    start = datetime(2026, 11, 24, tzinfo=UTC)
    site = register(connection, Meter("gauge", interval_s=600), zone="Asia/Kolkata")
    by_minute = data.draw(st.dictionaries(st.integers(0, 1_440), values, max_size=60))
    fill(connection, site, start, by_minute)
    device = Device.objects.get(pk=site.device_id)
    since = start + timedelta(minutes=data.draw(st.integers(0, 1_400)))
    until = since + timedelta(minutes=data.draw(st.integers(1, 300)))
    params = {"period": "zoom", "since": since.isoformat(), "until": until.isoformat()}
    calendar = calendar_of(site)
    period, _ = parse_period(params, calendar=calendar, now=until, longest=timedelta(days=9))
    chart = read_device_chart(
        site.account_id, device=device, period=period, calendar=calendar, now=until
    )
    assert chart.resolution is Resolution.READING
    samples = [
        (s.start, s.last) for series in chart.series.values() for s in series if s is not None
    ]
    assert samples == read(
        connection,
        "SELECT time, value FROM reading WHERE device_id = %s AND time > %s AND time <= %s"
        " ORDER BY time",
        site.device_id, since, until,
    )  # fmt: skip
    times = [at for at, _ in samples]
    silences = sum(later - at > timedelta(minutes=20) for at, later in pairwise(times))
    assert len(chart.slots) == len(samples) + silences
