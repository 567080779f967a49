"""Run schedules: load, faults, heal, drain, check."""

import os
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from compose.chaos.check import find_recovery_s, find_wrong_aggregates, find_wrong_rows
from compose.chaos.faults import SERVERS, Cause
from compose.chaos.schedule import Fault, Schedule
from compose.chaos.stack import ChaosStack, resume_tree
from compose.local.layout import StackError
from config.env import read_options
from config.options import ContractOptions, SimulatorOptions

GATEWAYS = 20
READINGS = 3
BAD_SHARE = 0.02
DUPLICATE_SHARE = 0.01
HEALTHY_WITHIN_S = 90.0
STORED_WITHIN_S = 180
PATIENCE_S = 120


@dataclass(frozen=True)
class Load:
    """What is published during a schedule."""

    seconds: float
    rate: float  # messages a second


@dataclass
class Hit:
    """A fault as it happened. Instants are Unix seconds."""

    name: str
    applied_at: float = 0.0
    healed_at: float = 0.0
    recovery_s: float | None = None
    problem: str = ""


@dataclass
class Result:
    """What a schedule showed. Empty `problems`: nothing was lost, doubled or changed."""

    number: int
    seed: int
    hits: list[Hit]
    published: int = 0
    acknowledged: int = 0
    resent: int = 0
    rows: int = 0
    aggregates: int = 0  # hours, days and months that were held against the readings
    dead_letters: int = 0
    duplicate_messages: int = 0
    difference: int = 0
    seconds: float = 0.0
    drain_s: float = 0.0
    problems: list[str] = field(default_factory=list)


def run_schedule(
    stack: ChaosStack,
    schedule: Schedule,
    *,
    causes: dict[str, Cause],
    load: Load,
    say: Callable[[str], None],
) -> Result:
    """Publish, let the faults hit, wait until all is well, and hold the books against the log."""
    hits = [Hit(fault.kind.name) for fault in schedule.faults]
    result = Result(schedule.number, schedule.seed, hits)
    started_s = time.monotonic()
    threads = [
        threading.Thread(
            target=_hit, args=(stack, fault, causes[fault.kind.name], hit), daemon=True
        )
        for fault, hit in zip(schedule.faults, hits, strict=True)
    ]
    for thread in threads:
        thread.start()
    say("load and faults")
    plan, standing, summary = _publish(stack, schedule, load=load)
    for thread in threads:
        thread.join(60)
    say("drain")
    loaded_s = time.monotonic()
    result.problems += [f"{hit.name}: {hit.problem}" for hit in hits if hit.problem]
    result.problems += wait_until_healthy(stack)
    _check(stack, result, plan=plan, standing=standing, summary=summary)
    result.drain_s = round(time.monotonic() - loaded_s, 1)
    for hit in hits:
        hit.recovery_s = find_recovery_s(stack.environ["DATABASE_URL"], healed_at=hit.healed_at)
    result.seconds = round(time.monotonic() - started_s, 1)
    return result


def _hit(stack: ChaosStack, fault: Fault, cause: Cause, hit: Hit) -> None:
    """Cause a fault at its time and heal it at its end. A part that another fault has taken away
    just then cannot be hit, and that is said."""
    time.sleep(fault.at_s)
    hit.applied_at = time.time()
    try:
        cause.apply(stack)
    except Exception as error:  # whatever: the run goes on and reports it
        hit.problem = f"could not be caused: {error!r}"
    time.sleep(fault.for_s)
    try:
        cause.heal(stack)
    except Exception as error:
        hit.problem += f" could not be healed: {error!r}"
    hit.healed_at = time.time()


def _publish(stack: ChaosStack, schedule: Schedule, *, load: Load) -> tuple[Any, Any, Any]:
    from telemetry.simulator.options import RunOptions  # noqa: PLC0415 - needs Django's set-up
    from telemetry.simulator.registration import register_fleet  # noqa: PLC0415
    from telemetry.simulator.run import (  # noqa: PLC0415
        make_plan,
        publish_plan,
    )

    texts = {
        "--gateways": str(GATEWAYS),
        "--readings-per-message": str(READINGS),
        "--rate": str(load.rate),
        "--count": str(int(load.rate * load.seconds)),
        "--seed": str(schedule.seed),
        "--bad-share": str(BAD_SHARE),
        "--duplicate-share": str(DUPLICATE_SHARE),
        "--patience": str(PATIENCE_S),
    }
    options = read_options(RunOptions, {}, given=texts)
    broker = read_options(SimulatorOptions, stack.publisher_environ)
    fleet = stack.fleet or register_fleet(gateways_count=GATEWAYS, devices_count=READINGS)
    stack.fleet = fleet
    plan = make_plan(
        options,
        fleet=fleet,
        prefix=broker.topic.prefix,
        contract=read_options(ContractOptions, stack.environ),
    )
    summary = publish_plan(plan, options=options, broker=broker)
    return plan, {}, summary


def wait_until_healthy(stack: ChaosStack) -> list[str]:
    """Until every part serves and every process works, without help; else what does not."""
    give_up_at = time.monotonic() + HEALTHY_WITHIN_S
    while True:
        problems = find_ill(stack)
        if not problems or time.monotonic() > give_up_at:
            return [f"after {HEALTHY_WITHIN_S:.0f} s: {problem}" for problem in problems]
        time.sleep(0.5)


def find_ill(stack: ChaosStack) -> list[str]:
    """Parts that do not serve, and what the pipeline says is wrong."""
    from redis import RedisError  # noqa: PLC0415

    from config.celery import app  # noqa: PLC0415
    from config.options import RedisOptions, StatusOptions  # noqa: PLC0415
    from config.queue import connect_redis  # noqa: PLC0415
    from telemetry.queue.batches import BatchQueue  # noqa: PLC0415
    from telemetry.store.status import read_status  # noqa: PLC0415

    problems = [f"{name} does not run" for name in stack.processes if not _runs(stack, name)]
    for name in SERVERS:
        try:
            stack.find(name).wait_until_ready(timeout_s=2)
        except StackError as error:
            problems.append(str(error).splitlines()[0])
    if problems:
        return problems
    redis = connect_redis(read_options(RedisOptions, stack.environ))
    try:
        return read_status(BatchQueue(redis), app, options=StatusOptions()).problems
    except (RedisError, OSError) as error:
        return [f"redis: {error}"]
    finally:
        redis.close()


def _runs(stack: ChaosStack, name: str) -> bool:
    process = stack.processes[name]
    if process.is_running:
        resume_tree(process.pid)
    return process.is_running


def _check(
    stack: ChaosStack, result: Result, *, plan: Any, standing: dict[int, int], summary: Any
) -> None:
    import psycopg  # noqa: PLC0415

    from config.options import RedisOptions  # noqa: PLC0415
    from config.queue import connect_redis  # noqa: PLC0415
    from telemetry.queue.batches import BatchQueue  # noqa: PLC0415
    from telemetry.simulator.run import verify_plan  # noqa: PLC0415
    from telemetry.store.connection import open_connection  # noqa: PLC0415
    from telemetry.store.report import read_report  # noqa: PLC0415

    result.published, result.acknowledged = summary.published, summary.acknowledged
    result.resent = summary.resent
    if not summary.is_whole:
        result.problems.append(
            f"{summary.unacknowledged} messages were never acknowledged "
            f"{summary.fault} {summary.refused or ''}".strip()
        )
    url = stack.environ["DATABASE_URL"]
    try:
        verified = verify_plan(plan, summary, standing=standing, timeout_s=STORED_WITHIN_S)
        result.rows = sum(verified.findings.rows_by_device.values())
        result.dead_letters = sum(verified.findings.dead_letters.values())
        result.problems += verified.differences
        if summary.is_whole:
            result.problems += find_wrong_rows(url, plan)
        result.aggregates, wrong = find_wrong_aggregates(url)
        result.problems += wrong
        redis = connect_redis(read_options(RedisOptions, stack.environ))
        with open_connection(url, name="chaos", statement_timeout_s=60) as connection:
            report = read_report(connection, BatchQueue(redis), count_rows=True)
        redis.close()
    except (psycopg.Error, OSError) as error:
        result.problems.append(f"could not be checked: {error}")
        return
    result.difference = report.difference
    result.duplicate_messages = report.duplicate
    if not report.is_balanced:
        result.problems.append(f"the books do not balance: {report}")
    if report.broker_dropped:
        result.problems.append(f"the broker dropped {report.broker_dropped} messages")


def set_up_django(environ: dict[str, str]) -> None:
    """Let this process speak with the stack's servers, without a proxy."""
    os.environ.update(environ)
    import django  # noqa: PLC0415

    django.setup()
