"""Run schedules: load, faults, heal, drain, check."""

import os
import threading
import time
from collections.abc import Callable
from typing import Any

from compose.local.layout import StackError
from config.env import read_options
from config.options import ContractOptions, SimulatorOptions
from tests.chaos.cause import Cause
from tests.chaos.changes import change_fleet
from tests.chaos.check import (
    find_recovery_s,
)
from tests.chaos.check_schedule import check_schedule
from tests.chaos.faults import SERVERS
from tests.chaos.fleets import GATEWAYS, READINGS
from tests.chaos.lost import Damage
from tests.chaos.result import Hit, Load, Result
from tests.chaos.schedule import Fault, Schedule
from tests.chaos.stack import ChaosStack, resume_tree

BAD_SHARE = 0.02
DUPLICATE_SHARE = 0.01
HEALTHY_WITHIN_S = 90.0
PATIENCE_S = 120
HEALED_WITHIN_S = 120.0
SESSION_LOST = "the broker had lost the session of a bridge"  # the status says so for a day


def run_schedule(
    stack: ChaosStack,
    schedule: Schedule,
    *,
    causes: dict[str, Cause],
    load: Load,
    say: Callable[[str], None],
) -> Result:
    """Publish, let the faults hit, wait until all is well, and check the schedule."""
    if stack.damage is not None:
        stack.damage = Damage(owed=stack.damage.owed, is_put_aside=stack.damage.is_put_aside)
    hits = [Hit(fault.kind.name) for fault in schedule.faults]
    result = Result(schedule.number, schedule.seed, hits)
    started_s = time.monotonic()
    threads = [
        threading.Thread(
            target=_hit, args=(stack, fault, causes[fault.kind.name], hit), daemon=True
        )
        for fault, hit in zip(schedule.faults, hits, strict=True)
    ]
    if stack.damage is None:
        threads.append(threading.Thread(target=_change, args=(stack, result), daemon=True))
    for thread in threads:
        thread.start()
    say("load, faults and changes")
    plan, earlier_rows, summary = _publish(stack, schedule, load=load)
    for thread in threads:
        thread.join(HEALED_WITHIN_S)
    say("drain")
    loaded_s = time.monotonic()
    result.load_s = round(loaded_s - started_s, 1)
    result.problems += [f"{hit.name}: {hit.problem}" for hit in hits if hit.problem]
    result.problems += [f"{hit.name}: not healed" for hit in hits if not hit.healed_at]
    result.problems += wait_until_healthy(stack)
    result.healthy_s = round(time.monotonic() - loaded_s, 1)
    check_schedule(stack, result, plan=plan, earlier_rows=earlier_rows, summary=summary)
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


def _change(stack: ChaosStack, result: Result) -> None:
    """Change what people change, while messages flow."""
    try:
        result.changes, problems = change_fleet(stack.fleets[result.number])
        result.problems += problems
    except Exception as error:
        result.problems.append(f"changes while messages flow: {error!r}")


def _publish(stack: ChaosStack, schedule: Schedule, *, load: Load) -> tuple[Any, Any, Any]:
    from telemetry.simulator.options import RunOptions
    from telemetry.simulator.simulate import (
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
    plan = make_plan(
        options,
        fleet=stack.fleets[schedule.number].fleet,
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
        time.sleep(0.1)


def find_ill(stack: ChaosStack) -> list[str]:
    """Parts that do not serve, and what the pipeline says is wrong."""
    from redis import RedisError

    from config.celery import app
    from config.options import RedisOptions, StatusOptions
    from config.queue import connect_redis
    from telemetry.queue.batches import BatchQueue
    from telemetry.store.operations.pipeline_status import read_status

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
        problems = read_status(BatchQueue(redis), app, options=StatusOptions()).problems
        if stack.damage is not None and stack.damage.is_put_aside:
            problems = [problem for problem in problems if SESSION_LOST not in problem]
        return problems
    except (RedisError, OSError) as error:
        return [f"redis: {error}"]
    finally:
        redis.close()


def _runs(stack: ChaosStack, name: str) -> bool:
    process = stack.processes[name]
    if process.is_running:
        resume_tree(process.pid)
    return process.is_running


def set_up_django(environ: dict[str, str]) -> None:
    """Let this process speak with the stack's servers, without a proxy."""
    os.environ.update(environ)
    import django

    django.setup()
