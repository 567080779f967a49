"""Whether a schedule lost, doubled or changed anything."""

from datetime import timedelta
from typing import Any

import psycopg
from redis import RedisError

from config.env import read_options
from tests.chaos.check import find_wrong_aggregates, find_wrong_rows
from tests.chaos.damage import check_damage, list_differences
from tests.chaos.result import Result
from tests.chaos.stack import ChaosStack

STORED_WITHIN_S = 180
CLOCK_MARGIN = timedelta(hours=2)  # clocks of processes jump by an hour


def check_schedule(
    stack: ChaosStack, result: Result, *, plan: Any, earlier_rows: dict[int, int], summary: Any
) -> None:
    """Compare messages, aggregates and the delivery report with what was published; what is wrong
    goes into the result."""
    result.published, result.acknowledged = summary.published, summary.acknowledged
    result.resent = summary.resent
    if not summary.is_whole:
        result.problems.append(
            f"{summary.unacknowledged} messages were never acknowledged "
            f"{summary.fault} {summary.not_accepted or ''}".strip()
        )
    url = stack.environ["DATABASE_URL"]
    try:
        if stack.damage is None:
            _check_messages(url, result, plan=plan, earlier_rows=earlier_rows, summary=summary)
            differences = {0}
        else:
            problems, seen = check_damage(stack, stack.damage, plan)
            result.problems += problems
            result.seen += seen
            differences = list_differences(stack, stack.damage)
            stack.damage.owed = frozenset(differences)
        result.aggregates, wrong = find_wrong_aggregates(
            url, account_id=stack.fleets[result.number].account_id
        )
        result.problems += wrong
        _check_report(stack, result, differences=differences)
    except (psycopg.Error, RedisError, OSError) as error:
        result.problems.append(f"could not be checked: {error}")


def _check_messages(
    url: str, result: Result, *, plan: Any, earlier_rows: dict[int, int], summary: Any
) -> None:
    from telemetry.simulator.simulate import verify_plan

    verified = verify_plan(
        plan,
        summary,
        earlier_rows=earlier_rows,
        timeout_s=STORED_WITHIN_S,
        clock_margin=CLOCK_MARGIN,
    )
    result.rows = sum(verified.findings.rows_by_device.values())
    result.dead_letters = sum(verified.findings.dead_letters.values())
    result.problems += verified.differences
    if summary.is_whole:
        result.problems += find_wrong_rows(url, plan)


def _check_report(stack: ChaosStack, result: Result, *, differences: set[int]) -> None:
    from config.options import RedisOptions
    from config.queue import connect_redis
    from telemetry.queue.batches import BatchQueue
    from telemetry.store.db.connection import open_connection
    from telemetry.store.operations.delivery_report import read_report

    redis = connect_redis(read_options(RedisOptions, stack.environ))
    url = stack.environ["DATABASE_URL"]
    with open_connection(url, name="chaos", statement_timeout_s=60) as connection:
        report = read_report(connection, BatchQueue(redis), count_rows=True)
    redis.close()
    result.difference = report.difference
    result.duplicate_messages = report.duplicate
    is_balanced = not (report.dead_letters_difference or report.rows_difference)
    if report.difference not in differences or not is_balanced:
        result.problems.append(f"the delivery report does not balance: {report}")
    if report.broker_dropped:
        result.problems.append(f"the broker dropped {report.broker_dropped} messages")
