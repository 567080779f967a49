"""Pages of readings are the readings, in order, each once: whatever the gaps and bursts."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.db import connection as django
from django.test.utils import CaptureQueriesContext
from hypothesis import given
from hypothesis import strategies as st

from telemetry.store.db.connection import Connection
from telemetry.store.reads.reading_pages import Key, ReadingWalk, Row
from tests.random_cases import random_cases

pytestmark = pytest.mark.integration

START = datetime(2026, 9, 1, tzinfo=UTC)
DAY = timedelta(days=1)
OWN, OTHER = 7, 8

INSERT = """
INSERT INTO reading (device_id, time, value, received_at, unit, account_id, gateway_id)
SELECT d, t, 1, now(), 'kWh', a, 1
FROM unnest(%s::bigint[], %s::timestamptz[], %s::bigint[]) AS given (d, t, a)
ON CONFLICT DO NOTHING
"""


def put(connection: Connection, *keys: tuple[int, datetime], account_id: int = OWN) -> None:
    devices, times = [key[0] for key in keys], [key[1] for key in keys]
    connection.execute(INSERT, [devices, times, [account_id] * len(keys)])


def walk(**given: Any) -> ReadingWalk:
    usual: dict[str, Any] = {
        "device_ids": [1, 2, 3],
        "since": START,
        "until": START + 3 * DAY,
        "newest_at": START + 3 * DAY,
    }
    return ReadingWalk(OWN, **{**usual, **given})


def collect(make: Any, *, rows: int) -> list[Row]:
    """All pages, each of a walk of its own that goes on where the last one ended."""
    found: list[Row] = []
    page = make(start=None).read_page(rows)
    while page:
        found += page
        page = make(start=Key(page[-1].time, page[-1].device_id)).read_page(rows)
    return found


gaps = st.sampled_from([0, 1, 1_000_000, 60_000_000, 7_200_000_000, 90_000_000_000])
readings = st.lists(st.tuples(st.integers(1, 3), gaps), max_size=25)


@random_cases(40, shrinks=True)
@given(steps=readings, rows=st.integers(1, 6), newest_first=st.booleans(), one_walk=st.booleans())
def test_it_gives_each_reading_once_and_in_order(
    connection: Connection,
    steps: list[tuple[int, int]],
    rows: int,
    newest_first: bool,
    one_walk: bool,
) -> None:
    connection.execute("DELETE FROM reading")
    at, keys = START, set()
    for device_id, gap in steps:
        at += timedelta(microseconds=gap)
        keys.add((device_id, at))
    put(connection, *keys)
    inside = [(at, device_id) for device_id, at in keys if at < START + 3 * DAY]
    expected = sorted(inside, reverse=newest_first)
    if one_walk:
        whole = walk(newest_first=newest_first)
        found = [row for page in iter(lambda: whole.read_page(rows), []) for row in page]
    else:
        found = collect(lambda start: walk(newest_first=newest_first, start=start), rows=rows)
    assert [(row.time, row.device_id) for row in found] == expected


@pytest.mark.parametrize("newest_first", [False, True])
def test_it_keeps_to_the_period_the_devices_and_the_account(
    connection: Connection, newest_first: bool
) -> None:
    put(connection, (1, START), (2, START + DAY), (1, START - timedelta(microseconds=1)))
    put(connection, (4, START), (1, START + 3 * DAY))
    put(connection, (3, START + DAY), account_id=OTHER)
    found = walk(newest_first=newest_first).read_page(10)
    assert sorted(row.device_id for row in found) == [1, 2]
    beyond = [Key(START - DAY, 0), Key(START + 9 * DAY, 0)]
    for place in beyond:
        walked = walk(newest_first=newest_first, start=place).read_page(10)
        assert len(walked) in (0, 2)


def test_it_asks_nothing_when_there_are_no_devices(connection: Connection) -> None:
    with CaptureQueriesContext(django) as captured:
        assert walk(device_ids=[]).read_page(10) == []
    assert len(captured) == 0


@pytest.mark.parametrize("newest_first", [False, True])
def test_it_looks_few_times_through_silence(connection: Connection, newest_first: bool) -> None:
    year = {"since": START - 365 * DAY, "until": START, "newest_at": START}
    put(connection, (1, START - 300 * DAY))
    with CaptureQueriesContext(django) as captured:
        assert len(walk(**year, newest_first=newest_first).read_page(101)) == 1
    assert len(captured) <= 8


@pytest.mark.parametrize("newest_first", [False, True])
def test_it_sorts_no_more_than_a_few_pages_when_a_burst_waits(
    connection: Connection, newest_first: bool
) -> None:
    """20,000 readings within 20 seconds, after a silence that made windows wide."""
    connection.execute(
        "INSERT INTO reading (device_id, time, value, received_at, unit, account_id, gateway_id)"
        " SELECT 1 + n %% 200, %s::timestamptz + n * interval '1 ms', 1, now(), 'kWh', 7, 1"
        " FROM generate_series(0, 19999) n",
        [START + DAY],
    )
    whole = walk(device_ids=range(1, 201), newest_first=newest_first)
    with CaptureQueriesContext(django) as captured:
        page = whole.read_page(50)
        assert len(page) == 50
        assert len(captured) <= 16
        assert len(whole.read_page(1_000)) == 1_000
    expected = START + DAY + timedelta(milliseconds=19_999 if newest_first else 0)
    assert page[0].time == expected


def test_it_shows_readings_of_clocks_that_run_ahead(connection: Connection) -> None:
    put(connection, *((1, START + timedelta(seconds=step)) for step in range(-60, 60)))
    ahead = walk(until=START + DAY, newest_at=START, since=START - DAY, newest_first=True)
    page = ahead.read_page(100)
    assert page[0].time == START + timedelta(seconds=59)
    assert len(page) == 100
