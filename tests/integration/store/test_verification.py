"""Verification finds what is planted, nothing else, and repairs it."""

import json
import threading
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from io import StringIO
from typing import Any

import pytest
from django.core.management import call_command
from django.db import OperationalError
from hypothesis import given
from hypothesis import strategies as st
from msgspec import structs

from telemetry.core.batch import VERIFY_TASK
from telemetry.core.consumption import Meter, Value
from telemetry.models import TaskRun
from telemetry.store.aggregates.refresh import refresh_aggregates
from telemetry.store.billing.closing import close_month, reopen_month
from telemetry.store.db.connection import Connection, open_connection
from telemetry.store.db.edition import read_edition
from telemetry.store.db.locks import Lock, wait_for_lock
from telemetry.store.operations.pipeline_status import find_differences
from telemetry.store.operations.task_ages import read_task_ages
from telemetry.store.retention.chunks import move_horizon
from telemetry.store.verification.repair import repair_aggregates
from telemetry.store.verification.verify import (
    Scope,
    Verification,
    VerifyBusyError,
    list_slices,
    verify_aggregates,
)
from tests.consumption import Replacement, Site, put, read, register, replace_register
from tests.integration.store.test_consumption import PLACES, draw_sites
from tests.random_cases import random_cases

pytestmark = pytest.mark.integration

START = datetime(2026, 10, 29, tzinfo=UTC)
NOW = datetime(2026, 12, 5, tzinfo=UTC)
HOUR = timedelta(hours=1)
OCTOBER = date(2026, 10, 1)
ZONES = (("America/Sao_Paulo", 1), ("Asia/Kolkata", 15))
METERS = (Meter("cumulative", interval_s=1800), Meter("gauge"), Meter("delta"))


@pytest.fixture
def sites(connection: Connection) -> list[Site]:
    """Cumulative, gauge and delta devices in two zones, over three billing months, refreshed."""
    found = []
    for zone, billing_day in ZONES:
        first = register(connection, METERS[0], zone=zone, billing_day=billing_day, is_spread=True)
        found += [first, *(register(connection, meter, beside=first) for meter in METERS[1:])]
    for number, site in enumerate(found):
        put(
            connection,
            [
                (site, Value(START + step * 2 * HOUR + number * HOUR / 5, Decimal(step * step)))
                for step in range(0, 60, 2)
            ],
        )
    replace_register(connection, found[0], Replacement(START + 57 * HOUR, Decimal(900), Decimal(3)))
    refresh_aggregates(connection)
    close_month(found[0].account_id, month=OCTOBER, user_id=None, now=NOW)
    return found


def verify(connection: Connection, **given: Any) -> Verification:
    return verify_aggregates(connection, **given)


def tell(found: Verification) -> set[tuple[str, str, str]]:
    """Relation, place and kind of each difference."""
    return {
        (
            one.relation,
            one.key,
            "missing"
            if one.actual is None
            else "too many"
            if one.expected is None
            else ",".join(sorted(one.actual)),
        )
        for one in found.examples
    }


@random_cases(2)
@given(data=st.data())
def test_it_finds_nothing_whatever_was_refreshed(
    connection: Connection, clear: Callable[[], None], data: Any
) -> None:
    # Two places at a time: the months of one are empty for the others, and are verified as well.
    for number in range(0, len(PLACES), 2):
        clear()
        drawn = draw_sites(data, connection, places=PLACES[number : number + 2])
        for site, (found, changes) in drawn.items():
            put(connection, [(site, value) for value in found[::2]])
            refresh_aggregates(connection)
            put(connection, [(site, value) for value in found])
            for change in changes:
                replace_register(connection, site, change)
        refresh_aggregates(connection)
        found_now = verify(connection)
        assert (found_now.examples, found_now.waiting) == ([], 0)


def test_it_computes_every_row_and_finds_none_wrong(
    connection: Connection, sites: list[Site]
) -> None:
    found = verify(connection)
    assert found.examples == []
    assert found.differences == found.waiting == found.skipped_hours == 0
    for count, table in (
        (found.hours, "hourly_aggregate"),
        (found.days, "daily_aggregate"),
        (found.months, "monthly_total"),
    ):
        assert read(connection, f"SELECT count(*) FROM {table}") == [(count,)], table
    assert len(sites) == 6


HOURLY = "WHERE device_id = %s AND hour = '2026-10-30 11:00Z'"  # a reading of device 1 at noon
COMMUNITY = (
    ("INTO hourly_aggregate", "INTO hourly_bucket"),
    ("account_id, '2026-10-30 12:00Z', total", "account_id, '2026-10-30 12:00:00.000001Z', total"),
)
PLANTED = {
    "a step that is no gap": (
        f"UPDATE hourly_consumption SET is_gap = NOT is_gap {HOURLY}",
        {("hourly_consumption", "2026-10-30T11:00Z", "is_gap")},
    ),
    "a step from another instant": (
        f"UPDATE hourly_consumption SET step_from = step_from - interval '1 hour' {HOURLY}",
        {("hourly_consumption", "2026-10-30T11:00Z", "step_from")},
    ),
    "what a register has not reached": (
        f"UPDATE hourly_consumption SET height = last + 1, height_at = last_at {HOURLY}",
        {("hourly_consumption", "2026-10-30T11:00Z", "height")},
    ),
    "a day that is estimated": (
        "UPDATE daily_aggregate SET estimated = estimated + 1 WHERE device_id = %s"
        " AND day = '2026-11-02'",
        {("daily_aggregate", "2026-11-02", "estimated")},
    ),
    "a month that is estimated": (
        "UPDATE monthly_total SET estimated = estimated + 1 WHERE device_id = %s"
        " AND month = '2026-11-01'",
        {("monthly_total", "2026-11-01", "estimated")},
    ),
    "a changed sum of an hour": (
        f"UPDATE hourly_aggregate SET total = total + 1 {HOURLY}",
        {("hourly_aggregate", "2026-10-30T11:00Z", "total")},
    ),
    "a changed consumption of an hour": (
        f"UPDATE hourly_consumption SET consumption = consumption + 1 {HOURLY}",
        {("hourly_consumption", "2026-10-30T11:00Z", "consumption")},
    ),
    "a deleted hour": (
        f"DELETE FROM hourly_aggregate {HOURLY}",
        {("hourly_aggregate", "2026-10-30T11:00Z", "missing")},
    ),
    "a deleted hour of a register": (
        f"DELETE FROM hourly_consumption {HOURLY}",
        {("hourly_consumption", "2026-10-30T11:00Z", "missing")},
    ),
    "an hour too many": (
        "INSERT INTO hourly_aggregate SELECT device_id, account_id, '2026-10-30 12:00Z', total,"
        f" mean, minimum, maximum, first, last, readings_count FROM hourly_aggregate {HOURLY}",
        {("hourly_aggregate", "2026-10-30T12:00Z", "too many")},
    ),
    "an hour too many, long after": (
        "INSERT INTO hourly_consumption SELECT device_id, '2027-03-01Z', account_id, consumption,"
        f" within, first, first_at, last, last_at FROM hourly_consumption {HOURLY}",
        {("hourly_consumption", "2027-03-01T00:00Z", "too many")},
    ),
    "a wrong day": (
        "UPDATE daily_aggregate SET total = total + 1, reading_sum = 0 WHERE device_id = %s"
        " AND day = '2026-11-02'",
        {("daily_aggregate", "2026-11-02", "reading_sum,total")},
    ),
    "a day at another date": (
        "UPDATE daily_aggregate SET day = '2026-12-24' WHERE device_id = %s AND day = '2026-11-01'",
        {
            ("daily_aggregate", "2026-11-01", "missing"),
            ("daily_aggregate", "2026-12-24", "too many"),
        },
    ),
    "a wrong month": (
        "UPDATE monthly_total SET total = total - 1 WHERE device_id = %s AND month = '2026-11-01'",
        {("monthly_total", "2026-11-01", "total")},
    ),
    "a month that begins on another day": (
        "UPDATE monthly_total SET month = '2026-11-09' WHERE device_id = %s"
        " AND month = '2026-11-01'",
        {("monthly_total", "2026-11-01", "missing"), ("monthly_total", "2026-11-09", "too many")},
    ),
    "a wrong month that is closed": (
        "UPDATE monthly_total SET total = total - 1 WHERE device_id = %s AND month = '2026-10-01'",
        {
            ("monthly_total", "2026-10-01", "total"),
            ("closed_month", "2026-10-01", "adjustments,closed_total + adjustments"),
        },
    ),
    "a closed month that is gone": (
        "DELETE FROM monthly_total WHERE device_id = %s AND month = '2026-10-01'",
        {("monthly_total", "2026-10-01", "missing")},
    ),
    "a line too many in a closed month": (
        "INSERT INTO month_adjustment (account_id, device_id, month, difference)"
        " SELECT account_id, id, '2026-10-01', 5 FROM device WHERE id = %s",
        {("closed_month", "2026-10-01", "adjustments,closed_total + adjustments")},
    ),
    "another closed total than closing wrote down": (
        "UPDATE monthly_total SET closed_total = closed_total + 7 WHERE device_id = %s"
        " AND month = '2026-10-01'",
        {("closed_month", "2026-10-01", "adjustments,closed_total,closed_total + adjustments")},
    ),
    "another total in a line of a closed month": (
        "UPDATE closed_line SET total = total + 1 WHERE device_id = %s AND month = '2026-10-01'",
        {("closed_line", "2026-10-01", "total")},
    ),
    "another band in a line of a closed month": (
        'UPDATE closed_line SET bands = \'[{"band": "peak", "total": "1"}]\''
        " WHERE device_id = %s AND month = '2026-10-01'",
        {("closed_line", "2026-10-01", "bands")},
    ),
    "another unit and register in a line of a closed month": (
        "UPDATE closed_line SET unit = 'MWh', last_register = 1 WHERE device_id = %s"
        " AND month = '2026-10-01'",
        {("closed_line", "2026-10-01", "last_register,unit")},
    ),
    "a line of a closed month that is gone": (
        "DELETE FROM closed_line WHERE device_id = %s AND month = '2026-10-01'",
        {("closed_line", "2026-10-01", "missing")},
    ),
    "another way that a register fell": (
        f'UPDATE hourly_consumption SET steps = \'[["2026-10-30T11:30:00Z", "5"]]\' {HOURLY}',
        {("hourly_consumption", "2026-10-30T11:00Z", "steps")},
    ),
    "an exchange that was not counted": (
        "UPDATE hourly_consumption SET within = within - 1, consumption = consumption - 1"
        " WHERE device_id = %s AND steps <> '[]' AND first IS NULL",
        {("hourly_consumption", "2026-10-31T08:00Z", "consumption,within")},
    ),
    "a line in a month that is open": (
        "INSERT INTO month_adjustment (account_id, device_id, month, difference)"
        " SELECT account_id, id, '2026-11-01', 5 FROM device WHERE id = %s",
        {("closed_month", "2026-11-01", "adjustments,closed_total + adjustments")},
    ),
}


@pytest.mark.parametrize("planted", PLANTED)
def test_it_finds_and_repairs_what_was_planted(
    connection: Connection, sites: list[Site], planted: str
) -> None:
    statement, expected = PLANTED[planted]
    with connection.cursor() as cursor:
        if read_edition(cursor) == "community":  # a view of its hours takes no new ones
            for name, other in COMMUNITY:
                statement = statement.replace(name, other)
    changed = connection.execute(statement, [sites[0].device_id]).rowcount  # type: ignore[arg-type]
    assert changed == 1
    done = repair_aggregates(connection, scope=Scope(), examples=50)
    assert tell(done.before) >= expected
    assert {one.device_id for one in done.before.examples} == {sites[0].device_id}
    assert done.before.differences == len(done.before.examples)
    assert (done.after.differences, done.after.examples) == (0, [])
    [(total, closed, lines)] = read(
        connection,
        "SELECT total, closed_total, (SELECT coalesce(sum(difference), 0) FROM month_adjustment"
        " WHERE device_id = m.device_id AND month = m.month) FROM monthly_total m"
        " WHERE device_id = %s AND month = '2026-10-01'",
        sites[0].device_id,
    )
    assert closed + lines == total


def test_it_calls_nothing_wrong_that_waits_for_the_refresh(
    connection: Connection, sites: list[Site]
) -> None:
    register_, gauge = sites[3], sites[1]
    # A late reading changes its own hour and day, and the next of the register.
    put(connection, [(register_, Value(START + 29 * HOUR, Decimal(150)))])
    put(connection, [(gauge, Value(START + 86 * HOUR, Decimal(2)))])
    replace_register(connection, register_, Replacement(START + 2 * HOUR, Decimal(1), Decimal(0)))
    found = verify(connection)
    assert found.examples == []
    assert found.waiting > 5
    refresh_aggregates(connection)
    found = verify(connection)
    assert (found.examples, found.waiting) == ([], 0)


def test_it_calls_nothing_wrong_while_a_calendar_is_cut_again(
    connection: Connection, sites: list[Site]
) -> None:
    connection.execute(
        "UPDATE account SET time_zone = 'Australia/Lord_Howe', billing_day = 9 WHERE id = %s",
        [sites[3].account_id],
    )
    assert verify(connection).differences == 0
    refresh_aggregates(connection)
    found = verify(connection)
    assert (found.examples, found.waiting) == ([], 0)


def test_it_raises_no_false_alarm_beside_ingestion_and_refresh(
    database_url: str, connection: Connection, sites: list[Site]
) -> None:
    is_over = threading.Event()
    stored: list[int] = []

    def ingest() -> None:
        with open_connection(database_url, name="test", statement_timeout_s=60) as other:
            while not is_over.wait(0.02):
                number = len(stored)
                late = START + number * 11 % 110 * HOUR + number * timedelta(seconds=1)
                put(other, [(site, Value(late, Decimal(number))) for site in sites])
                stored.append(number)
                if number % 3 == 0:
                    refresh_aggregates(other)

    thread = threading.Thread(target=ingest)
    thread.start()
    try:
        looks = [verify(connection) for _ in range(3)]
    finally:
        is_over.set()
        thread.join()
    assert [one for look in looks for one in look.examples] == []
    assert len(stored) > 3
    refresh_aggregates(connection)
    found = verify(connection)
    assert (found.examples, found.waiting) == ([], 0)


def test_it_checks_the_rows_of_every_account_that_a_device_had(
    connection: Connection, sites: list[Site]
) -> None:
    moved, host = sites[1], sites[4]
    connection.execute(
        "UPDATE device SET gateway_id = %s, code = 'E' WHERE id = %s",
        [host.gateway_id, moved.device_id],
    )
    there = structs.replace(moved, account_id=host.account_id, gateway_id=host.gateway_id)
    at = datetime(2026, 11, 3, 10, tzinfo=UTC)
    put(connection, [(there, Value(at + step * HOUR, Decimal(step))) for step in range(40)])
    refresh_aggregates(connection)
    assert verify(connection).examples == []
    for day, account in (("2026-11-05", host), ("2026-11-03", host), ("2026-11-02", moved)):
        connection.execute(
            "UPDATE daily_aggregate SET minimum = -1 WHERE (device_id, day, account_id) = "
            "(%s, %s, %s)",
            [moved.device_id, day, account.account_id],
        )
    months = "DELETE FROM monthly_total WHERE (device_id, account_id) = (%s, %s)"
    connection.execute(months, [moved.device_id, moved.account_id])
    assert tell(verify(connection)) == {
        ("daily_aggregate", "2026-11-02", "minimum"),
        ("daily_aggregate", "2026-11-03", "minimum"),
        ("daily_aggregate", "2026-11-05", "minimum"),
        ("monthly_total", "2026-10-01", "missing"),
        ("monthly_total", "2026-11-01", "missing"),
    }
    assert repair_aggregates(connection, scope=Scope(), examples=9).after.examples == []


def test_it_checks_nothing_outside_the_scope(connection: Connection, sites: list[Site]) -> None:
    connection.execute("UPDATE daily_aggregate SET reading_sum = reading_sum + 1")
    connection.execute("UPDATE hourly_aggregate SET total = total + 1")
    ours = verify(connection, scope=Scope(account_id=sites[0].account_id), examples=10_000)
    assert {one.device_id for one in ours.examples} == {site.device_id for site in sites[:3]}
    day = date(2026, 11, 2)
    of_day = verify(connection, scope=Scope(since=day, until=day), examples=10_000)
    hours = {one.key[:10] for one in of_day.examples if one.relation == "hourly_aggregate"}
    assert hours == {"2026-11-02"}
    few = verify(connection, examples=3)
    assert len(few.examples) == 3
    assert few.differences == few.hours + few.days


def test_it_skips_what_lies_before_the_horizon_and_counts_on_from_there(
    connection: Connection, sites: list[Site]
) -> None:
    horizon = datetime(2026, 10, 31, tzinfo=UTC)
    move_horizon(connection, horizon)
    connection.execute("DELETE FROM reading WHERE time < '2026-10-30Z'")
    put(connection, [(sites[2], Value(horizon - 30 * HOUR, Decimal(1)))])
    refresh_aggregates(connection)
    found = verify(connection)
    assert found.examples == []
    [(before,)] = read(connection, "SELECT count(*) FROM hourly_aggregate WHERE hour < %s", horizon)
    assert found.skipped_hours == before > 0
    assert found.frozen_hours == 1
    assert f"device {sites[2].device_id}" in found.frozen_examples[0]


def test_it_goes_on_where_it_stopped_and_comes_to_the_same(
    connection: Connection, sites: list[Site]
) -> None:
    connection.execute(
        "UPDATE monthly_total SET total = 1 WHERE device_id = %s", [sites[2].device_id]
    )
    whole = verify(connection)
    part = verify(connection, budget_s=0)
    turns = 1
    while part.next_slice is not None:
        part = verify(connection, so_far=part, budget_s=0)
        turns += 1
    assert turns == len(list_slices(connection, Scope()))
    assert part == whole
    assert whole.differences >= 3


def test_it_leaves_no_trace_of_a_month_that_was_reopened(
    connection: Connection, sites: list[Site]
) -> None:
    put(connection, [(sites[0], Value(START + HOUR, Decimal(1)))])
    refresh_aggregates(connection)
    assert verify(connection).differences == 0
    reopen_month(sites[0].account_id, month=OCTOBER, user_id=None, now=NOW)
    assert verify(connection).differences == 0


def test_it_is_one_at_a_time(database_url: str, connection: Connection, sites: list[Site]) -> None:
    class StopError(Exception):
        pass

    def look(*_: Any) -> None:
        with (
            open_connection(database_url, name="test", statement_timeout_s=10) as other,
            pytest.raises(VerifyBusyError),
        ):
            verify_aggregates(other)
        raise StopError

    with pytest.raises(StopError):
        verify(connection, progress=look)
    assert verify(connection).differences == 0
    assert sites


@pytest.mark.parametrize(
    ("lock", "given"),
    [(Lock.VERIFY, []), (Lock.VERIFY, ["--repair"]), (Lock.REFRESH, ["--repair"])],
    ids=["another verification", "another verification when it repairs", "a refresh"],
)
def test_it_exits_otherwise_when_another_is_under_way_than_when_something_differs(
    database_url: str,
    connection: Connection,
    sites: list[Site],
    environ: dict[str, str],
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    lock: Lock,
    given: list[str],
) -> None:
    def connect(url: str, **named: Any) -> Connection:
        opened = open_connection(url, **named)
        opened.execute("SET lock_timeout = '100ms'")
        return opened

    command = "telemetry.management.commands.verify_aggregates"
    monkeypatch.setattr(f"{command}.open_connection", connect)
    with open_connection(database_url, name="other", statement_timeout_s=10) as other:
        assert wait_for_lock(other, lock)
        with pytest.raises(SystemExit) as stopped:
            call_command("verify_aggregates", *given)
    assert stopped.value.code == 3
    assert "under way" in capsys.readouterr().err
    call_command("verify_aggregates", *given)
    connection.execute(
        "UPDATE monthly_total SET total = 1 WHERE device_id = %s", [sites[2].device_id]
    )
    with pytest.raises(SystemExit) as stopped:
        call_command("verify_aggregates")
    assert stopped.value.code == 1


def test_it_exits_with_2_when_the_database_is_away_at_the_last_write(
    connection: Connection,
    sites: list[Site],
    environ: dict[str, str],
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def fail(**_: Any) -> None:
        raise OperationalError("the connection is closed\nand more")

    monkeypatch.setattr(TaskRun.objects, "update_or_create", fail)
    with pytest.raises(SystemExit) as stopped:
        call_command("verify_aggregates")
    assert stopped.value.code == 2
    assert capsys.readouterr().err == "error: DATABASE_URL: the connection is closed\n"


def test_it_says_so_by_command_task_and_status(
    connection: Connection, sites: list[Site], environ: dict[str, str]
) -> None:
    from workers.maintenance import verify_aggregates as task
    from workers.recording import BUSY, Recorder
    from workers.schedule import ensure_schedule

    ensure_schedule()
    task()
    assert find_differences(read_task_ages()) == []
    connection.execute(
        "UPDATE monthly_total SET total = total + 1 WHERE device_id = %s AND month >= %s",
        [sites[2].device_id, date(2026, 11, 1)],
    )
    task()
    assert TaskRun.objects.get(name=VERIFY_TASK).result["differences"] == 1
    [problem] = find_differences(read_task_ages())
    assert problem.startswith(f"task {VERIFY_TASK} found 1 rows of aggregates")
    # Neither a run that has not come that far yet nor one that is not let in takes it back.
    run = TaskRun.objects.get(name=VERIFY_TASK)
    for result in (
        {**run.result, "differences": 0, "next_slice": ["hours", "2026-11-01", "2026-11-01"]},
        BUSY,
    ):
        Recorder(VERIFY_TASK, "differences").record_success(
            result, started_at=datetime.now(UTC), duration_ms=1
        )
        assert find_differences(read_task_ages()) == [problem]

    out = StringIO()
    with pytest.raises(SystemExit) as stopped:
        call_command("verify_aggregates", stdout=out)
    assert stopped.value.code == 1
    assert "monthly_total 2026-11-01 A" in out.getvalue()
    assert "1 differences (monthly_total 1)" in out.getvalue()
    out = StringIO()
    call_command("verify_aggregates", "--repair", stdout=out)
    assert "verified again:" in out.getvalue()
    assert find_differences(read_task_ages()) == []
    out = StringIO()
    call_command("verify_aggregates", "--json", stdout=out)
    assert json.loads(out.getvalue())["differences"] == 0
