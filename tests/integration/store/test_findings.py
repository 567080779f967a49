"""Findings computed from what is stored: new, changed, gone, decided; where something changed."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest

from telemetry.core.consumption import Meter, Value
from telemetry.edits.editing import VOID, request_edit
from telemetry.models import Account, ChangedHour, Device, Finding
from telemetry.store.aggregates.refresh import refresh_aggregates
from telemetry.store.db.connection import Connection
from telemetry.store.findings import evaluate
from telemetry.store.findings.evaluate import Evaluated, evaluate_findings
from tests.bench.findings import count_flagged, list_missed, read_found, store_seeded
from tests.consumption import Site, put, register
from tests.seeded_faults import seed_faults

pytestmark = pytest.mark.integration

START = datetime(2026, 11, 2, 0, 30, tzinfo=UTC)
HOUR, DAY = timedelta(hours=1), timedelta(days=1)
METER = Meter("cumulative", interval_s=3600)


def send(
    connection: Connection, site: Site, hours: Any, *, at_once: bool = True, value: Any = None
) -> None:
    """A reading an hour, which counts one an hour, or stands at a value."""
    sent = [Value(START + hour * HOUR, Decimal(hour if value is None else value)) for hour in hours]
    put(connection, [(site, one) for one in sent])
    if at_once:
        connection.execute(
            "UPDATE reading SET received_at = time WHERE device_id = %s AND time = ANY(%s)",
            [site.device_id, [one.at for one in sent]],
        )


def run(connection: Connection, *, hours: int) -> Evaluated:
    """Refresh, and evaluate so many hours after the start."""
    refresh_aggregates(connection)
    return evaluate_findings(connection, now=START + hours * HOUR)


def read_findings(site: Site, **conditions: Any) -> list[Any]:
    rows = Finding.objects.filter(device_id=site.device_id, **conditions).order_by("since", "rule")
    return [
        (one.rule, hours_of(one.since), one.until and hours_of(one.until), one.state)
        for one in rows
    ]


def hours_of(at: datetime) -> float:
    return (at - START) / HOUR + 0.5


def test_it_finds_silence_while_it_goes_on_when_it_ends_and_nothing_once_it_is_filled(
    connection: Connection,
) -> None:
    site = register(connection, METER)
    send(connection, site, range(10))
    run(connection, hours=11)
    assert read_findings(site) == []
    run(connection, hours=20)
    assert read_findings(site) == [("silent", 10, None, "open")]
    assert run(connection, hours=21).found == 0
    send(connection, site, range(30, 40))
    run(connection, hours=41)
    assert read_findings(site) == [("silent", 10, 30, "open")]
    send(connection, site, range(10, 30))
    run(connection, hours=41)
    assert read_findings(site) == [("silent", 10, 30, "gone")]


def test_it_comes_to_the_same_in_any_order_of_arrival(connection: Connection) -> None:
    sites = [register(connection, METER) for _ in range(2)]
    present = [*range(10), *range(15, 40), *range(60, 70)]
    send(connection, sites[0], present)
    run(connection, hours=71)
    for part in (present[20:], present[:5], present[5:20]):
        send(connection, sites[1], part)
        run(connection, hours=71)
    expected = [("silent", 10, 15, "open"), ("silent", 40, 60, "open")]
    assert read_findings(sites[0]) == expected
    assert read_findings(sites[1], state="open") == expected


def test_it_finds_a_register_that_stands_while_its_neighbours_count(
    connection: Connection,
) -> None:
    site = register(connection, METER)
    neighbours = [register(connection, METER, beside=site) for _ in range(2)]
    lonely = register(connection, METER)
    for one in (site, lonely):
        send(connection, one, range(20))
        send(connection, one, range(20, 60), value=19)
    for neighbour in neighbours:
        send(connection, neighbour, range(60))
    run(connection, hours=61)
    assert read_findings(site) == [("stuck", 19, None, "open")]
    assert read_findings(lonely) == []
    send(connection, site, range(60, 80), value=25)
    send(connection, neighbours[0], range(60, 80))
    send(connection, neighbours[1], range(60, 80))
    run(connection, hours=81)
    assert read_findings(site) == [("stuck", 19, 60, "open")]


def test_it_compares_a_standstill_with_the_days_before_it_whatever_changed_at_once(
    connection: Connection,
) -> None:
    site = register(connection, METER)
    for neighbour in [register(connection, METER, beside=site) for _ in range(2)]:
        send(connection, neighbour, range(1_060))
    for first, until in ((0, 20), (140, 900), (1_044, 1_060)):
        send(connection, site, range(first, until))
    send(connection, site, range(20, 140), value=19)  # five days, more than half of the other
    send(connection, site, range(900, 1_044), value=899)
    run(connection, hours=1_061)
    found = read_findings(site, rule="stuck", state="open")
    assert found == [("stuck", 19, 140, "open"), ("stuck", 899, 1_044, "open")]


def test_it_tells_an_old_clock_from_readings_that_came_late(connection: Connection) -> None:
    site = register(connection, METER)
    send(connection, site, [*range(30), *range(40, 60)])
    run(connection, hours=61)
    put(connection, [(site, Value(START + 30 * HOUR + HOUR / 2, Decimal(30)))])  # fills the gap
    put(connection, [(site, Value(START + 4 * HOUR + HOUR / 2, Decimal(5)))])  # nothing is missing
    run(connection, hours=61)
    assert read_findings(site, rule__in=("late", "old_clock")) == [
        ("old_clock", 0, 24, "open"), ("late", 24, 48, "open"),
    ]  # fmt: skip
    at = START + 4 * HOUR + HOUR / 2
    request_edit(
        Account.objects.get(pk=site.account_id), device=Device.objects.get(pk=site.device_id),
        since=at, until=at, change=VOID, reason="clock", user=None,
    )  # fmt: skip
    run(connection, hours=61)
    assert read_findings(site, rule="old_clock") == [("old_clock", 0, 24, "gone")]


def test_it_finds_nothing_late_in_what_was_imported(connection: Connection) -> None:
    site = register(connection, METER)
    imported_at = START + 90 * DAY
    send(connection, site, range(10), at_once=False)
    connection.execute(
        "UPDATE reading SET received_at = %s WHERE device_id = %s", [imported_at, site.device_id]
    )
    connection.execute(
        "INSERT INTO batch (id, source, seq, received_at, stored_at, messages, messages_stored,"
        " messages_duplicate, messages_rejected, readings, readings_stored, readings_duplicate,"
        " readings_rejected, dead_letters)"
        " VALUES ('imported', 'import', 1, %s, now(), 10, 10, 0, 0, 10, 10, 0, 0, 0)",
        [imported_at],
    )
    run(connection, hours=11)
    assert read_findings(site, rule__in=("late", "old_clock")) == []


def test_it_never_changes_what_was_decided(connection: Connection) -> None:
    site = register(connection, METER)
    send(connection, site, range(10))
    run(connection, hours=20)
    Finding.objects.update(state="accepted", note="holidays")
    send(connection, site, range(30, 40))
    run(connection, hours=41)
    assert read_findings(site) == [("silent", 10, 30, "accepted")]
    send(connection, site, range(10, 30))
    run(connection, hours=41)
    assert read_findings(site) == [("silent", 10, 30, "accepted")]


def test_it_looks_only_at_what_changed_and_is_over(connection: Connection) -> None:
    site = register(connection, METER)
    other = register(connection, METER)
    send(connection, site, range(10))
    send(connection, other, range(10))
    assert run(connection, hours=10).devices == 2
    assert run(connection, hours=10).devices == 0
    send(connection, site, [10, 11])
    done = run(connection, hours=11)
    assert (done.devices, done.hours) == (1, 1)  # the second hour is not over
    assert ChangedHour.objects.count() == 1
    assert run(connection, hours=12).hours == 1


def test_it_leaves_silent_devices_alone_that_should_not_send(connection: Connection) -> None:
    site = register(connection, METER)
    send(connection, site, range(10))
    Device.objects.update(is_active=False)
    run(connection, hours=20)
    assert read_findings(site) == []


@pytest.mark.parametrize(("measurement", "rule"), [("delta", "too_fast"), ("cumulative", "spike")])
def test_it_finds_a_value_that_is_far_too_large_and_an_edit_puts_it_right(
    connection: Connection, measurement: Any, rule: str
) -> None:
    site = register(connection, Meter(measurement, interval_s=3600))
    is_delta = measurement == "delta"
    send(connection, site, range(100), value=7 if is_delta else None)
    at = START + 50 * HOUR + HOUR / 3
    put(connection, [(site, Value(at, Decimal(7000)))])
    run(connection, hours=101)
    [finding] = Finding.objects.filter(rule=rule)
    assert finding.evidence["first"] == at.isoformat()
    assert Decimal(finding.evidence["value"]) == 7000
    request_edit(
        Account.objects.get(), device=Device.objects.get(), since=at, until=at, change=VOID,
        reason="display slip", user=None, finding=finding,
    )  # fmt: skip
    run(connection, hours=101)
    finding.refresh_from_db()
    assert finding.state == "voided"
    assert not Finding.objects.filter(state="open", rule__in=("too_fast", "spike")).exists()


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        pytest.param([50, 0, 52], [("dip", 51)], id="dip"),
        pytest.param([50, 0, 0, 0, 54], [("dip", 51)], id="a dip of three readings"),
        pytest.param([50, 9_000, 52], [("spike", 51)], id="spike"),
        pytest.param([50, 1, 2, 3, 4], [("reset", 51)], id="reset"),
        pytest.param([50, 49.8, 51], [], id="noise"),
    ],
)
def test_it_finds_what_a_register_does(
    connection: Connection, values: list[Any], expected: list[Any]
) -> None:
    site = register(connection, METER)
    send(connection, site, range(50))
    for number, value in enumerate(values):
        send(connection, site, [50 + number], value=value)
    run(connection, hours=60)
    rules = ("dip", "spike", "reset")
    found = read_findings(site, rule__in=rules, state="open")
    assert [(rule, since - 0.5) for rule, since, _until, _state in found] == expected
    run(connection, hours=60)
    assert read_findings(site, rule__in=rules, state="open") == found


def test_it_finds_a_fault_of_every_kind_and_flags_few_good_readings(connection: Connection) -> None:
    """A small form of `make bench ARGS=findings`."""
    seeded = seed_faults(4, devices=10, start=START, days=24, of_each_kind=1)
    sites = store_seeded(connection, seeded)
    run(connection, hours=24 * 24)
    found = read_found(connection, sites)
    assert list_missed(seeded.faults, found) == []
    days = [one for one in found if one.rule in ("old_clock", "late")]  # a day each
    others = [one for one in found if one not in days]
    good = sum(one.is_good for sent in seeded.readings for one in sent)
    assert count_flagged(seeded, others) <= good / 100
    assert len(days) <= 3


def test_it_finds_the_same_in_small_steps_of_few_devices(
    connection: Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    seeded = seed_faults(5, devices=4, start=START, days=24, of_each_kind=1)
    sites = store_seeded(connection, seeded)
    run(connection, hours=24 * 24)
    found = read_found(connection, sites)
    assert found
    ids, first, end = [site.device_id for site in sites], START - 2 * HOUR, START + 24 * DAY
    connection.execute("DELETE FROM finding")
    connection.execute(
        "INSERT INTO changed_hour (hour, device_ids) "
        "SELECT date_trunc('hour', at), %s FROM generate_series(%s, %s, interval '1 hour') AS at",
        [ids, first, end],
    )
    monkeypatch.setattr(evaluate, "DEVICE_HOURS_A_STEP", 150)
    monkeypatch.setattr(evaluate, "DEVICES_AT_ONCE", 3)
    done = evaluate_findings(connection, now=end)
    assert done.devices > 10 * len(sites)
    assert set(read_found(connection, sites)) == set(found)
