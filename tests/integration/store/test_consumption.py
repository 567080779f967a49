"""Hours, days and months are a function of the readings, whatever the way they came."""

from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from telemetry.core.consumption import Meter, Value
from telemetry.models import TaskRun
from telemetry.store.aggregates import refresh
from telemetry.store.aggregates.refresh import refresh_aggregates
from telemetry.store.db.connection import Connection
from telemetry.store.reads.account_totals import HourSpan, read_account_hours
from telemetry.store.reads.aggregate_pages import HOURS, read_page
from telemetry.store.reads.chart_series import read_hour_series
from telemetry.store.verification.verify import verify_aggregates
from tests.bands import check_bands
from tests.billing_cases import CASES
from tests.consumption import (
    Replacement,
    Site,
    expect_figures,
    put,
    read,
    read_figures,
    register,
    replace_register,
    set_meter,
)
from tests.random_cases import random_cases
from tests.statements import check_statements

pytestmark = pytest.mark.integration

METERS = (
    Meter("delta"),
    Meter("delta", interval_s=1200),
    Meter("cumulative"),
    Meter("cumulative", modulus=Decimal(1000), interval_s=7),
    Meter("gauge", interval_s=7200),
)
Place = tuple[str, datetime, int]
# Zones with the day before a change of their clocks: midnight left out, midnight twice, half hours.
PLACES: tuple[Place, ...] = (
    ("America/New_York", datetime(2026, 10, 31, tzinfo=UTC), 1),
    ("Europe/Lisbon", datetime(2026, 3, 28, tzinfo=UTC), 28),
    ("Atlantic/Azores", datetime(2026, 10, 24, tzinfo=UTC), 25),
    ("America/Sao_Paulo", datetime(2018, 11, 3, tzinfo=UTC), 4),
    ("America/Sao_Paulo", datetime(2019, 2, 16, tzinfo=UTC), 17),
    ("Australia/Lord_Howe", datetime(2026, 4, 3, 12, tzinfo=UTC), 5),
    ("Asia/Kolkata", datetime(2026, 11, 29, tzinfo=UTC), 1),
    ("Pacific/Auckland", datetime(2026, 9, 26, tzinfo=UTC), 28),
)
START = datetime(2026, 11, 2, tzinfo=UTC)
MINUTE = timedelta(minutes=1)

# Whole hours and half hours are where things go wrong; values repeat, dip, fall and roll over.
minutes = st.integers(0, 2880) | st.integers(0, 96).map(lambda half: half * 30)
values = st.integers(0, 9_999_999).map(lambda ten_thousandths: Decimal(ten_thousandths) / 10_000)
registers = st.sampled_from(
    [Decimal(text) for text in ("0", "50", "90", "99.5", "100", "101", "999.9999")]
)
series = st.dictionaries(minutes, values | registers, max_size=18)
meters = st.builds(
    Meter,
    st.sampled_from(["cumulative", "cumulative", "delta", "gauge"]),
    modulus=st.sampled_from([None, Decimal(50)]),
    interval_s=st.sampled_from([None, 900, 86_400]),
    factor=st.sampled_from([Decimal(1), Decimal(40), Decimal("0.3333")]),
    is_net=st.sampled_from([False, False, True]),
)
changes = st.dictionaries(minutes, st.tuples(registers, registers, meters), max_size=2)


def draw_sites(
    data: Any, connection: Connection, *, places: Sequence[Place] = PLACES
) -> dict[Site, tuple[list[Value], list[Any]]]:
    found = {}
    for zone, start, billing_day in places:
        number = PLACES.index((zone, start, billing_day))
        for shift in (0, 2):
            meter = METERS[(number + shift) % len(METERS)]
            site = register(
                connection, meter, zone=zone, billing_day=billing_day,
                is_spread=data.draw(st.booleans()),
            )  # fmt: skip
            drawn = data.draw(series)
            drawn_changes = data.draw(changes)
            found[site] = (
                [Value(start + at * MINUTE, value) for at, value in drawn.items()],
                [Replacement(start + at * MINUTE, *change) for at, change in drawn_changes.items()],
            )
    return found


@random_cases(15)
@given(data=st.data())
def test_it_comes_to_the_same_in_any_order_with_any_duplicates_in_any_batches(
    connection: Connection, data: Any
) -> None:
    sites = draw_sites(data, connection)
    random = data.draw(st.randoms(use_true_random=False))
    arrivals = [(site, value) for site, (found, _) in sites.items() for value in found]
    arrivals += random.choices(arrivals, k=len(arrivals) // 4) if arrivals else []
    random.shuffle(arrivals)
    changes = [(site, change) for site, (_, found) in sites.items() for change in found]
    random.shuffle(changes)
    steps = data.draw(st.integers(1, 3))
    for step in range(steps):
        put(connection, arrivals[step::steps])
        for site, change in changes[step::steps]:
            replace_register(connection, site, change)
        refresh_aggregates(connection)
    for number, (site, (found, changed)) in enumerate(sites.items()):
        assert read_figures(connection, site) == expect_figures(site, found, changed), site
        if number % 3 == steps % 3:  # others in other cases: bands take as long as all the rest
            check_bands(connection, site, found, changed)
        else:
            start = PLACES[number // 2][1]
            instants = [start + random.randrange(-60, 3000) * MINUTE for _ in range(2)]
            instants += [start + 1440 * MINUTE, *(one.at for one in changed[:1])]
            check_statements(connection, site, found, changed, instants=set(instants))
    assert read(connection, "SELECT count(*) FROM dirty_hour") == [(0,)]


def at(hours: float) -> datetime:
    return START + timedelta(hours=hours)


def make(*found: tuple[float, Any]) -> list[Value]:
    return [Value(at(hours), Decimal(str(value))) for hours, value in found]


def test_a_day_counts_from_a_change_of_meter_in_an_hour_without_readings(
    connection: Connection,
) -> None:
    """Found by the property above: the day had no total when its only reading came before."""
    site = register(connection, Meter("gauge"))
    readings = make((1, 90), (30, 100))
    put(connection, [(site, reading) for reading in readings])
    refresh_aggregates(connection)
    change = Replacement(at(5), Decimal(90), Decimal(0), Meter("delta"))
    replace_register(connection, site, change)
    refresh_aggregates(connection)
    assert read_figures(connection, site) == expect_figures(site, readings, [change])


def test_it_bills_what_is_right_whatever_came_first(connection: Connection) -> None:
    sites = {}
    for name, case in CASES.items():
        site = register(
            connection, case.meter, zone=case.zone, billing_day=case.billing_day, is_spread=True
        )
        sites[name] = site
        put(connection, [(site, value) for value in case.readings[1::2]])
    refresh_aggregates(connection)
    for name, case in CASES.items():
        site = sites[name]
        for change in case.replacements:
            replace_register(connection, site, change)
        put(connection, [(site, value) for value in case.readings[::-1]])
    refresh_aggregates(connection)
    for name, case in CASES.items():
        device_id = sites[name].device_id
        months = read(
            connection, "SELECT month, total, estimated FROM monthly_total WHERE device_id = %s",
            device_id,
        )  # fmt: skip
        totals = {month: total for month, total, _ in months}
        assert {month: totals.pop(month) for month in case.months} == case.months, name
        assert set(totals.values()) <= {0}, name
        estimated = {month: estimated for month, _, estimated in months if estimated}
        assert estimated == case.estimated, name
        days = read(
            connection, "SELECT day, total FROM daily_aggregate WHERE device_id = %s", device_id
        )
        assert case.days.items() <= dict(days).items(), name
        hours = read(
            connection,
            "SELECT sum(consumption) FROM hourly_consumption WHERE device_id = %s",
            device_id,
        )
        assert hours == [(sum(case.months.values()),)], name
        lowest = read(
            connection, "SELECT min(consumption) FROM hourly_consumption WHERE device_id = %s",
            device_id,
        )  # fmt: skip
        assert "net " in name or lowest[0][0] >= 0, name
    found = verify_aggregates(connection)
    assert (found.examples, found.waiting) == ([], 0)


def test_it_moves_consumption_to_where_a_late_reading_puts_it(connection: Connection) -> None:
    site = register(connection, Meter("cumulative"))
    put(connection, [(site, value) for value in make((0, 10), (24 * 40, 50))])
    refresh_aggregates(connection)
    by_month = "SELECT month, total FROM monthly_total ORDER BY 1"
    assert read(connection, by_month) == [
        (date(2026, 11, 1), Decimal(0)), (date(2026, 12, 1), Decimal(40)),
    ]  # fmt: skip
    put(connection, [(site, value) for value in make((24, 30))])
    done = refresh_aggregates(connection)
    assert read(connection, by_month) == [
        (date(2026, 11, 1), Decimal(20)), (date(2026, 12, 1), Decimal(20)),
    ]  # fmt: skip
    assert (done.dirty, done.hours, done.days, done.months) == (1, 1, 2, 2)


def test_it_spreads_a_gap_over_hours_and_days_that_have_no_readings(connection: Connection) -> None:
    site = register(connection, Meter("cumulative"), is_spread=True)
    put(connection, [(site, value) for value in make((22, 100), (75, 153))])
    refresh_aggregates(connection)
    days = "SELECT day, total, estimated, readings_count FROM daily_aggregate ORDER BY 1"
    second, third = date(2026, 11, 2), date(2026, 11, 3)
    assert read(connection, days) == [
        (second, 2, 2, 1), (third, 24, 24, 0), (date(2026, 11, 4), 24, 24, 0),
        (date(2026, 11, 5), 3, 3, 1),
    ]  # fmt: skip
    since, until = at(20), at(76)
    hours = read_hour_series(
        site.account_id, device_ids=[site.device_id], since=since, until=until
    )[site.device_id]
    assert [hour.start for hour in hours] == [at(21 + number) for number in range(54)]
    assert [(hour.total, hour.estimated) for hour in hours] == [(0, 0), *[(1, 1)] * 53]
    page = read_page(
        HOURS, site.account_id, device_ids=[site.device_id], since=since, until=until, rows=100,
        after=(site.device_id, at(29)),
    )  # fmt: skip
    assert [(row.start, row.total, row.readings_count) for row in page[:2]] == [
        (at(30), 1, 0), (at(31), 1, 0),
    ]  # fmt: skip
    spans = [HourSpan(at(30), at(40), third, third), HourSpan(at(40), at(43), third, third)]
    account_hours = read_account_hours(site.account_id, spans=spans)
    assert [list(hours.values()) for hours in account_hours] == [[10], [3]]
    # A late reading replaces estimates by measurements.
    put(connection, [(site, value) for value in make((24, 148), (48, 150))])
    refresh_aggregates(connection)
    fourth, rest = Decimal("2.6666"), Decimal("0.3334")
    assert read(connection, days) == [
        (second, 48, 0, 2), (third, 2, 0, 1), (date(2026, 11, 4), fourth, fourth, 0),
        (date(2026, 11, 5), rest, rest, 1),
    ]  # fmt: skip
    # An account that does not want it: steps belong to their ends.
    connection.execute("UPDATE account SET spreads_gaps = false")
    refresh_aggregates(connection)
    assert read(connection, days) == [
        (second, 48, 0, 2), (third, 2, 0, 1), (date(2026, 11, 5), 3, 0, 1),
    ]  # fmt: skip
    verified = verify_aggregates(connection)
    assert (verified.examples, verified.waiting) == ([], 0)


def test_it_corrects_earlier_hours_when_a_reading_shows_that_they_were_a_dip(
    connection: Connection,
) -> None:
    site = register(connection, Meter("cumulative"))
    hours = "SELECT consumption FROM hourly_consumption ORDER BY hour"
    found = make((1, 2000), (2, 0), (3, 0), (4, 2015), (5, 2016))
    expected = [[0], [0, 0], [0, 0, 0], [0, 0, 0, 15], [0, 0, 0, 15, 1]]
    for value, counted in zip(found, expected, strict=True):
        put(connection, [(site, value)])
        refresh_aggregates(connection)
        assert [row[0] for row in read(connection, hours)] == counted
    put(connection, [(site, value) for value in make((2.5, 1), (3.5, 2))])
    refresh_aggregates(connection)  # four readings are no dip any more, but 1 is a spike now
    assert [row[0] for row in read(connection, hours)] == [0, 0, 0, 2 + 2013, 1]
    verified = verify_aggregates(connection)
    assert (verified.examples, verified.waiting) == ([], 0)


def test_it_computes_again_when_a_device_is_told_to_measure_otherwise(
    connection: Connection,
) -> None:
    site = register(connection, Meter("delta"))
    found = make((0, 90), (1, 95), (30, 5))
    put(connection, [(site, value) for value in found])
    refresh_aggregates(connection)
    for meter, total, seen in (
        (Meter("cumulative"), Decimal(10), 3),
        (Meter("cumulative", modulus=Decimal(100)), Decimal(15), 3),
        (Meter("gauge", interval_s=60), None, 3),
        (Meter("delta", interval_s=60), Decimal(190), 3),
        (Meter("delta", interval_s=60, factor=Decimal("0.3333")), Decimal("63.3270"), 3),
    ):
        set_meter(connection, site, meter)
        assert refresh_aggregates(connection).hours == 3
        assert read(connection, "SELECT total, intervals_seen FROM monthly_total") == [
            (total, seen)
        ]


def test_it_takes_a_change_of_meter_back_when_it_is_undone(connection: Connection) -> None:
    site = register(connection, Meter("cumulative"))
    put(connection, [(site, value) for value in make((0, 100), (30, 99))])
    replace_register(connection, site, Replacement(at(5), Decimal(120), Decimal(90)))
    refresh_aggregates(connection)
    total = "SELECT sum(total) FROM daily_aggregate"
    assert read(connection, total) == [(Decimal(29),)]
    connection.execute("UPDATE installation SET undone_at = now() WHERE since IS NOT NULL")
    refresh_aggregates(connection)
    assert read(connection, total) == [(Decimal(0),)]
    verified = verify_aggregates(connection)
    assert (verified.examples, verified.waiting) == ([], 0)


def test_it_comes_to_the_same_in_steps_of_a_few_notes(
    connection: Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(refresh, "DIRTY_ROWS_A_STEP", 3)
    monkeypatch.setattr(refresh, "DEVICE_HOURS_A_STEP", 3)
    found = make(*((hours * 1.7, 40 - hours) for hours in range(20)))
    sites = [register(connection, Meter("cumulative"), zone="Asia/Kolkata") for _ in range(2)]
    put(connection, [(site, value) for site in sites for value in found])
    steps: list[int] = []
    assert refresh_aggregates(connection, progress=steps.append).dirty == 20
    assert steps == list(range(2, 20, 2))
    for site in sites:
        assert read_figures(connection, site) == expect_figures(site, found)


@pytest.mark.usefixtures("environ")
def test_it_records_what_the_scheduled_refresh_did(connection: Connection) -> None:
    from workers.maintenance import refresh_aggregates as run_task

    site = register(connection, Meter("delta"))
    put(connection, [(site, value) for value in make((0.5, 1), (1.5, 2), (30, 3))])
    run_task()
    done = TaskRun.objects.get(name="telemetry.refresh_aggregates")
    assert done.result == {
        "dirty": 3, "hours": 3, "days": 2, "months": 1, "frozen": 0, "adjusted": 0,
    }  # fmt: skip
