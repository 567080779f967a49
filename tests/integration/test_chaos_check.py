"""The checker of `python -m tests.chaos` finds what is lost, changed, or not accounted for."""

import json
import time
from datetime import datetime
from decimal import Decimal

import pytest

from telemetry.core.batch import RawMessage
from telemetry.models import Account
from telemetry.queue.batches import BatchQueue
from telemetry.simulator.messages import iterate_messages
from telemetry.simulator.plan import Plan
from telemetry.simulator.registration import ACCOUNT_NAME, register_fleet
from telemetry.store.db.connection import Connection
from tests.batches import run_batch
from tests.chaos.changes import change_fleet
from tests.chaos.check import (
    find_recovery_s,
    find_wrong_aggregates,
    find_wrong_at_the_end,
    find_wrong_rows,
    list_expected_rows,
)
from tests.chaos.fleets import ScheduleFleet
from tests.consumption import read
from workers.runner import open_runner

pytestmark = pytest.mark.integration


@pytest.fixture
def plan(connection: Connection) -> Plan:
    return Plan(
        fleet=register_fleet(gateways_count=4, devices_count=2),
        prefix="tds_new",
        seed=4,
        first_at_us=time.time_ns() // 1000 - 60_000_000,
        messages_count=200,
        bad_share=0.3,
        duplicate_share=0.1,
    )


@pytest.fixture
def stored(plan: Plan, queue: BatchQueue, environ: dict[str, str]) -> None:
    """Every message of the plan, stored."""
    from config.celery import app
    from config.env import read_options
    from config.options import IngestOptions

    runner = open_runner(read_options(IngestOptions, environ), app)
    messages = [RawMessage(message.topic, message.payload) for message in iterate_messages(plan)]
    run_batch(runner, queue.put(messages, source="test"))
    runner.close()


def test_it_expects_the_readings_that_good_messages_hold(plan: Plan) -> None:
    rows = list(list_expected_rows(plan))
    first = next(
        json.loads(message.payload, parse_float=Decimal)
        for message in iterate_messages(plan)
        if not message.outcome.rejected
    )
    assert rows[0][1] == datetime.fromisoformat(first["timestamp"])
    assert rows[0][2] == first["leituras"][0]["valor"]
    assert len(rows) == len({row[:2] for row in rows}) > 100


@pytest.mark.usefixtures("stored")
def test_it_finds_nothing_wrong_where_nothing_is(database_url: str, plan: Plan) -> None:
    assert find_wrong_rows(database_url, plan) == []


@pytest.mark.usefixtures("stored")
def test_it_finds_a_row_that_is_lost_and_one_that_was_changed(
    database_url: str, plan: Plan, connection: Connection
) -> None:
    lost, changed = list(list_expected_rows(plan))[3:5]
    connection.execute("DELETE FROM reading WHERE (device_id, time) = (%s, %s)", lost[:2])
    connection.execute(
        "UPDATE reading SET value = value + 1 WHERE (device_id, time) = (%s, %s)", changed[:2]
    )
    problems = find_wrong_rows(database_url, plan)
    assert len(problems) == 2
    assert any(f"sent {lost[2]}, stored None" in problem for problem in problems)
    assert any(f"sent {changed[2]}, stored {changed[2] + 1}" in problem for problem in problems)


@pytest.mark.usefixtures("stored")
def test_it_measures_from_the_end_of_a_fault_to_the_next_stored_batch(database_url: str) -> None:
    assert find_recovery_s(database_url, healed_at=time.time() + 5) is None
    recovery_s = find_recovery_s(database_url, healed_at=time.time() - 30)
    assert recovery_s is not None
    assert 20 < recovery_s <= 30


@pytest.mark.usefixtures("stored")
def test_it_finds_aggregates_that_are_not_as_the_readings_say(
    database_url: str, connection: Connection
) -> None:
    rows, problems = find_wrong_aggregates(database_url)
    assert rows >= 3 * 4 * 2
    assert problems == []
    connection.execute("UPDATE daily_aggregate SET readings_count = readings_count + 1")
    _, problems = find_wrong_aggregates(database_url)
    assert problems
    assert problems[0].startswith("daily_aggregate")
    assert find_wrong_at_the_end(database_url) == problems


@pytest.mark.usefixtures("stored")
def test_it_finds_nothing_wrong_after_changes_and_what_they_left_undone(
    database_url: str, plan: Plan, connection: Connection
) -> None:
    account_id = Account.objects.get(name=ACCOUNT_NAME).pk
    assert change_fleet(ScheduleFleet(account_id, plan.fleet)) == (4, [])
    assert find_wrong_rows(database_url, plan) == []
    assert find_wrong_at_the_end(database_url) == []
    [(count,)] = read(connection, "SELECT count(*) FROM edited_reading WHERE is_current")
    assert count >= 5
    # An edit that does not count, readings that did not follow a move, hours of a changed meter.
    edited = (
        "UPDATE reading r SET value = e.{} FROM edited_reading e WHERE e.is_current"
        " AND (e.device_id, e.time) = (r.device_id, r.time)"
    )
    moved = (
        "UPDATE reading r SET account_id = {} FROM device d JOIN assignment a USING (gateway_id)"
        " WHERE d.id = r.device_id AND a.since IS NOT NULL AND r.time > a.since"
    )
    counted = (
        "UPDATE hourly_consumption SET consumption = consumption + {} WHERE device_id ="
        " (SELECT device_id FROM installation WHERE since IS NOT NULL LIMIT 1)"
    )
    for statement, wrong, right in (
        (edited, "raw_value", "after"), (moved, str(account_id), "d.account_id"),
        (counted, "1", "-1"),
    ):  # fmt: skip
        connection.execute(statement.format(wrong))
        assert find_wrong_at_the_end(database_url) != [], statement
        connection.execute(statement.format(right))
        assert find_wrong_at_the_end(database_url) == [], statement
