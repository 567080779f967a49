"""What pages and reports read costs what they show: index ranges, in the chunks of the period."""

from collections.abc import Callable, Iterator
from datetime import UTC, date, datetime, timedelta
from typing import Any, Self

import pytest
from django.db import connection as django_connection
from django.test.utils import CaptureQueriesContext
from psycopg import Cursor

from telemetry.core.consumption import Meter
from telemetry.store.alarms.evaluate import HORIZON, AlarmEvaluator, Sql
from telemetry.store.db.connection import Connection, open_connection
from telemetry.store.db.edition import read_edition
from telemetry.store.reads import (
    account_series,
    account_signs,
    account_totals,
    aggregate_pages,
    chart_series,
    latest_in_account,
)
from telemetry.store.reads.reading_pages import ReadingWalk
from telemetry.store.retention.sizes import read_sizes
from tests.conftest import clear_tables
from tests.consumption import Site, register

pytestmark = pytest.mark.integration

START = datetime(2026, 9, 1, tzinfo=UTC)
DAYS = 30
ACCOUNTS = 4
DEVICES = 20 * ACCOUNTS
MEASURED = ("reading", "hourly_aggregate", "hourly_consumption", "daily_aggregate", "monthly_total")

READINGS = """
INSERT INTO reading (device_id, time, value, received_at, unit, account_id, gateway_id)
SELECT d.id, hour + interval '7 minutes', 1, now(), '', d.account_id, d.gateway_id
FROM device d,
    generate_series(%(start)s::timestamptz, %(end)s - interval '1 hour', '1 hour') AS hour
WHERE d.account_id = ANY(%(accounts)s)
"""
HOURS = """
INSERT INTO hourly_aggregate (device_id, hour, account_id, total, mean, minimum, maximum, first,
    last, readings_count)
SELECT device_id, date_trunc('hour', time), account_id, value, value, value, value, value, value, 1
FROM reading WHERE account_id = ANY(%(accounts)s)
"""
REGISTERS = """
INSERT INTO hourly_consumption (device_id, hour, account_id, consumption, within, first, first_at,
    last, last_at)
SELECT device_id, date_trunc('hour', time), account_id, 1, 1, 1, time, 1, time
FROM reading WHERE account_id = ANY(%(accounts)s)
"""
DATED = """
INSERT INTO {} (device_id, {}, account_id, total, reading_sum, minimum, maximum, {}, readings_count,
    intervals_seen)
SELECT d.id, start::date, d.account_id, 24, 24, 1, 1, 1, 1, 24, 24
FROM device d,
    generate_series(%(from)s::timestamptz, %(start)s::timestamptz, %(step)s::interval) AS start
WHERE d.account_id = ANY(%(accounts)s)
"""


@pytest.fixture(scope="module")
def sites(database_url: str, django_db_blocker: Any) -> Iterator[tuple[Connection, list[Site]]]:
    """Some 40,000 rows in every relation, in 4 accounts. The last one came after the planner had
    looked at the others: it knows nothing of a new account in a large database for days."""
    with (
        django_db_blocker.unblock(),
        open_connection(database_url, name="test", statement_timeout_s=60) as opened,
    ):
        clear_tables(opened)
        sites = [register(opened, Meter("delta")) for _ in range(ACCOUNTS)]
        for number in range(DEVICES - ACCOUNTS):
            register(opened, Meter("cumulative"), beside=sites[number % ACCOUNTS])
        accounts = [site.account_id for site in sites]
        fill(opened, accounts[:-1])
        opened.execute("ANALYZE")
        fill(opened, accounts[-1:])
        yield opened, sites
        clear_tables(opened)


def fill(connection: Connection, accounts: list[int]) -> None:
    """A month of readings and hours, two years of days, forty of months."""
    given = {"accounts": accounts, "start": START, "end": START + timedelta(days=DAYS)}
    connection.execute(READINGS, given)
    with connection.cursor() as cursor:
        if read_edition(cursor) == "community":
            connection.execute("CALL refresh_continuous_aggregate('hourly_bucket', NULL, NULL)")
        else:
            connection.execute(HOURS, given)
    connection.execute(REGISTERS, given)
    for table, column, values, step, years in (
        ("daily_aggregate", "day", "first, last", "1 day", 2),
        ("monthly_total", "month", "first_register, last_register", "1 month", 40),
    ):
        statement: Any = DATED.format(table, column, values)
        since = START - timedelta(days=365 * years)
        connection.execute(statement, {**given, "from": since, "step": step})


@pytest.fixture
def filled(sites: tuple[Connection, list[Site]]) -> tuple[Connection, Site]:
    """The connection and the site of an account that the planner knows."""
    return sites[0], sites[1][0]


SINCE = START + timedelta(days=14)
INSTANTS = {"since": SINCE, "until": SINCE + timedelta(days=2)}
A_DAY = {"since": SINCE, "until": SINCE + timedelta(days=1)}
WEEK = {"first": date(2026, 8, 1), "until": date(2026, 8, 8)}
YEAR = {"first": date(2025, 9, 1), "until": date(2026, 9, 1)}


def list_devices(site: Site) -> range:
    """The devices of a site's account, by id."""
    return range(site.device_id, DEVICES + 1, ACCOUNTS)


def walk(site: Site, *, newest_first: bool) -> list[Any]:
    """The first page of an account's readings."""
    of = ReadingWalk(
        site.account_id,
        device_ids=list_devices(site),
        **INSTANTS,
        newest_at=INSTANTS["until"],
        newest_first=newest_first,
    )
    return of.read_page(20)


def page(series_of: Any, site: Site, **period: Any) -> list[Any]:
    """The second page of an account's hours, days or months."""
    devices = list_devices(site)
    after = (devices[1], period["since"])
    return aggregate_pages.read_page(
        series_of, site.account_id, device_ids=devices, **period, rows=50, after=after
    )


QUESTIONS: dict[str, tuple[Callable[[Site], list[Any]], int]] = {
    "comparison": (
        lambda site: account_totals.compare_devices(
            site.account_id, device_ids=range(site.device_id, site.device_id + 9), **WEEK
        ),
        3,
    ),
    "days of an account": (
        lambda site: account_totals.read_account_days(site.account_id, **WEEK),
        7,
    ),
    "months of an account": (
        lambda site: account_totals.read_account_months(site.account_id, **YEAR),
        12,
    ),
    "newest readings of an account": (lambda site: walk(site, newest_first=True), 20),
    "oldest readings of an account": (lambda site: walk(site, newest_first=False), 20),
    "page of hours": (lambda site: page(aggregate_pages.HOURS, site, **INSTANTS), 50),
    "page of days": (
        lambda site: page(aggregate_pages.DAYS, site, since=WEEK["first"], until=WEEK["until"]),
        50,
    ),
    "page of months": (
        lambda site: page(aggregate_pages.MONTHS, site, since=YEAR["first"], until=YEAR["until"]),
        50,
    ),
    "largest consumers": (
        lambda site: account_totals.find_top_consumers(site.account_id, unit="", **WEEK),
        10,
    ),
    "largest consumers of some devices": (
        lambda site: account_totals.find_top_consumers(
            site.account_id, unit="", **WEEK, device_ids=range(site.device_id, site.device_id + 9)
        ),
        3,
    ),
    "hours of an account": (
        lambda site: account_totals.read_account_hours(
            site.account_id,
            spans=[account_totals.HourSpan(**INSTANTS, first=WEEK["first"], last=WEEK["first"])],
        ),
        1,
    ),
    "groups by day": (
        lambda site: account_series.read_group_days(site.account_id, unit="", **WEEK),
        7,
    ),
    "groups by hour": (
        lambda site: account_series.read_group_hours(
            site.account_id,
            device_ids=range(site.device_id, site.device_id + 9),
            since=INSTANTS["since"],
            until=INSTANTS["until"],
        ),
        48,
    ),
    "signs of an account": (
        lambda site: [
            account_signs.read_signs(
                site.account_id,
                month=YEAR["first"],
                month_before=YEAR["first"],
                until=WEEK["until"],
                most=5,
            )
        ],
        1,
    ),
    "lines of hours": (
        lambda site: list(
            chart_series.read_hour_series(
                site.account_id, device_ids=range(site.device_id, site.device_id + 9), **INSTANTS
            )
        ),
        3,
    ),
    "lines of days": (
        lambda site: list(
            chart_series.read_day_series(
                site.account_id, device_ids=range(site.device_id, site.device_id + 9), **WEEK
            )
        ),
        3,
    ),
    "minutes": (
        lambda site: chart_series.read_minutes(site.account_id, device_id=site.device_id, **A_DAY),
        24,
    ),
    "single readings": (
        lambda site: chart_series.read_single_readings(
            site.account_id, device_id=site.device_id, **A_DAY
        ),
        24,
    ),
}


def list_scans(node: dict[str, Any]) -> list[tuple[str, str]]:
    """(kind, relation) of every scan of a table in a plan."""
    here = [(node["Node Type"], node["Relation Name"])] if "Relation Name" in node else []
    return here + [scan for child in node.get("Plans", []) for scan in list_scans(child)]


def list_chunks(connection: Connection, *, overlapping: dict[str, datetime] | None) -> set[str]:
    """Chunks of readings, and of hourly aggregates in the Community edition."""
    rows: Any = connection.execute(
        "SELECT chunk_name, range_start, range_end FROM timescaledb_information.chunks"
    ).fetchall()
    return {
        name
        for name, start, end in rows
        if overlapping is None or (start < overlapping["until"] and end > overlapping["since"])
    }


@pytest.mark.parametrize("name", QUESTIONS)
def test_it_reads_index_ranges_of_the_chunks_of_the_period_alone(
    filled: tuple[Connection, Site], name: str
) -> None:
    connection, site = filled
    ask, rows = QUESTIONS[name]
    with CaptureQueriesContext(django_connection) as captured:
        assert len(ask(site)) == rows
    statement: Any = f"EXPLAIN (FORMAT JSON) {captured[-1]['sql']}"
    row: Any = connection.execute(statement).fetchone()
    chunks = list_chunks(connection, overlapping=None)
    scans = [
        (kind, relation)
        for kind, relation in list_scans(row[0][0]["Plan"])
        if relation in chunks or relation in MEASURED
    ]
    assert scans
    assert [scan for scan in scans if scan[0] == "Seq Scan"] == []
    opened = {relation for _, relation in scans} & chunks
    assert opened <= list_chunks(connection, overlapping=INSTANTS)


def count_dropped(node: dict[str, Any]) -> int:
    """Rows that a plan read from measured tables and did not want."""
    dropped: int = sum(count_dropped(child) for child in node.get("Plans", []))
    if node.get("Relation Name") in MEASURED:
        dropped += node.get("Rows Removed by Filter", 0) * node["Actual Loops"]
    return dropped


@pytest.mark.parametrize("name", QUESTIONS)
def test_it_reads_no_more_of_an_account_that_the_planner_does_not_know(
    sites: tuple[Connection, list[Site]], name: str
) -> None:
    connection, (known, *_, unknown) = sites
    ask, rows = QUESTIONS[name]
    dropped = []
    for site in (known, unknown):
        with CaptureQueriesContext(django_connection) as captured:
            assert len(ask(site)) == rows
        statement: Any = f"EXPLAIN (ANALYZE, FORMAT JSON) {captured[-1]['sql']}"
        row: Any = connection.execute(statement).fetchone()
        dropped.append(count_dropped(row[0][0]["Plan"]))
    assert dropped[1] <= dropped[0]


@pytest.mark.parametrize(
    "query", [Sql.watch_devices, Sql.evaluate_alarms], ids=["watch", "evaluate"]
)
def test_it_evaluates_alarms_by_index_ranges_of_the_last_day(
    filled: tuple[Connection, Site], query: str
) -> None:
    connection, _ = filled
    now = SINCE + timedelta(hours=12)
    given = {"at": now, "until": now, "horizon": now - HORIZON, "seen_since": None,
        "readings": 100, "device_ids": list(range(1, DEVICES + 1))}  # fmt: skip
    with connection.transaction(force_rollback=True):
        connection.execute("UPDATE device SET alarm_high = 0")
        assert AlarmEvaluator().run(connection, now=now).opened == DEVICES
        statement: Any = f"EXPLAIN (FORMAT JSON) {query}"
        row: Any = connection.execute(statement, given, prepare=False).fetchone()
    last_day = {"since": now - HORIZON, "until": now}
    chunks = list_chunks(connection, overlapping=None)
    scans = [scan for scan in list_scans(row[0][0]["Plan"]) if scan[1] in chunks]
    assert scans
    assert "Seq Scan" not in {kind for kind, _ in scans}
    assert {relation for _, relation in scans} <= list_chunks(connection, overlapping=last_day)


def test_it_finds_the_newest_readings_of_an_account_in_the_newest_chunks(
    filled: tuple[Connection, Site],
) -> None:
    connection, site = filled
    connection.execute("UPDATE gateway SET last_seen = %s", [START])
    end = START + timedelta(days=DAYS)
    with CaptureQueriesContext(django_connection) as captured:
        assert len(latest_in_account.read_latest(site.account_id, most=20, now=end)) == 20
    [asked] = captured
    statement: Any = f"EXPLAIN (FORMAT JSON) {asked['sql']}"
    row: Any = connection.execute(statement).fetchone()
    scans = [
        (kind, relation)
        for kind, relation in list_scans(row[0][0]["Plan"])
        if relation in list_chunks(connection, overlapping=None)
    ]
    last_day = {"since": end - timedelta(days=1), "until": end}
    assert scans
    assert "Seq Scan" not in {kind for kind, _ in scans}
    assert {relation for _, relation in scans} <= list_chunks(connection, overlapping=last_day)


def test_it_finds_the_oldest_and_newest_rows_by_keys(filled: tuple[Connection, Site]) -> None:
    connection, _ = filled
    asked: list[str] = []

    class Listening(Cursor[Any]):
        def execute(self, query: Any, *args: Any, **kwargs: Any) -> Self:
            asked.append(query if isinstance(query, str) else query.as_string(self))
            return super().execute(query, *args, **kwargs)

    usual = connection.cursor_factory
    connection.cursor_factory = Listening
    try:
        read_sizes(connection)
    finally:
        connection.cursor_factory = usual
    ends = [statement for statement in asked if "CROSS JOIN LATERAL" in statement]
    chunks = list_chunks(connection, overlapping=None)
    assert len(ends) >= 3
    for statement in ends:
        explained: Any = f"EXPLAIN (FORMAT JSON) {statement}"
        row: Any = connection.execute(explained).fetchone()
        scans = [
            kind
            for kind, relation in list_scans(row[0][0]["Plan"])
            if relation in chunks or relation in MEASURED
        ]
        assert scans
        assert "Seq Scan" not in scans


def test_it_would_see_a_table_that_is_read_whole(filled: tuple[Connection, Site]) -> None:
    connection, _ = filled
    row: Any = connection.execute(
        "EXPLAIN (FORMAT JSON) SELECT sum(value) FROM reading WHERE value > 0"
    ).fetchone()
    scans = list_scans(row[0][0]["Plan"])
    assert {kind for kind, _ in scans} == {"Seq Scan"}
    assert len({relation for _, relation in scans}) == DAYS
