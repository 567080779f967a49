"""Healthy gateways beside others whose clocks stand at 1970: how long do their messages take?

First the healthy ones alone, then the others alone until the reject guard holds what they send,
then both. At last the others get the right time: the guard must let go, and every message must have
its end.
"""

import time
from contextlib import closing, suppress
from dataclasses import dataclass

import psycopg
from redis import Redis

from compose.local.layout import PYTHON, StackError
from telemetry.core.batch import PENDING_KEY
from telemetry.queue.alarm import read_alarm
from tests.bench.flow import GATEWAYS, Pipeline
from tests.bench.latency import Announcements, measure_ms
from tests.bench.results import Run
from tests.bench.rig import Rig, wait_until
from tests.chaos.supervised import Supervised

WARM_S = 1.0
WINDOW_S = 5  # of the guard: short, or those who spoke before would keep it from holding
HOLDS_WITHIN_S = 20.0
STORED_WITHIN_S = 30.0
LET_GO_WITHIN_S = 90.0
POINTS = (50, 95, 99)
REJECTED = """
SELECT coalesce(sum(occurrences), 0) FROM dead_letter WHERE reason = 'timestamp_out_of_range'
"""


@dataclass(frozen=True)
class Beside:
    """`wrong` gateways whose clocks stand at 1970 send `wrong_rate` messages a second: `alone` for
    so many seconds, and for `right_again` seconds with the right time."""

    rate: float = 500.0
    seconds: float = 20.0
    wrong: int = 14
    wrong_rate: float = 14.0
    alone: float = 10.0
    right_again: float = 10.0


def run_guard(load: Beside, *, concurrency: int) -> Run:
    """Percentiles alone and beside, and their ratios. Raises `StackError` when messages of the
    healthy ones are not stored, the guard stays, or the books do not balance."""
    with Rig(concurrency=concurrency) as rig:
        rig.environ["GUARD_WINDOW_S"] = str(WINDOW_S)
        pipeline = Pipeline(rig, gateways=GATEWAYS + load.wrong)
        pipeline.gateways = GATEWAYS
        rig.start("worker-maintenance")
        rig.start("beat")
        with closing(Announcements(rig)) as announcements, _redis(rig) as redis:
            normal = _measure(pipeline, announcements, load)
            wrong = _start_wrong(rig, load)
            wait_until(
                lambda: bool(read_alarm(redis)),
                timeout_s=HOLDS_WITHIN_S,
                what=f"the guard holds what {load.wrong} gateways with clocks of 1970 send",
            )
            beside = _measure(pipeline, announcements, load)
            wrong_count = _end_wrong(wrong)
            let_go_s = _set_right(rig, redis, load)
        rejected = rig.wait_for_rows(REJECTED, count=wrong_count, timeout_s=LET_GO_WITHIN_S)
        if rejected != wrong_count:
            raise StackError(f"{wrong_count} messages of 1970 were sent, {rejected} were rejected")
        pipeline.close()
    return {
        **_compare(normal, beside, wrong=load.wrong),
        "messages of 1970, all rejected in the end": wrong_count,
        "nothing held or pending after the clocks are right, s": let_go_s,
    }


def _compare(normal: list[float], beside: list[float], *, wrong: int) -> Run:
    run: Run = {}
    for point in POINTS:
        run[f"alone, p{point}, ms"] = _percentile(normal, point)
        run[f"beside {wrong} at 1970, p{point}, ms"] = _percentile(beside, point)
    run["p99 beside, times that alone"] = _percentile(beside, 99) / _percentile(normal, 99)
    return run


def _measure(pipeline: Pipeline, announcements: Announcements, load: Beside) -> list[float]:
    """The healthy gateways' latencies in order. Raises `StackError` when one is not stored."""
    started_at = time.time()
    arguments = ["--rate", str(load.rate), "--seconds", str(load.seconds + WARM_S)]
    healthy = _launch(pipeline.rig, *arguments, "--gateways", str(GATEWAYS))
    wait_until(
        lambda: not healthy.is_running,
        timeout_s=load.seconds + STORED_WITHIN_S,
        what="the generator ends",
    )
    count = _read_count(healthy)
    if count != int(load.rate * (load.seconds + WARM_S)):
        raise StackError(f"the generator stopped early: {healthy.read_log()[-2000:]}")
    with psycopg.connect(pipeline.rig.environ["DATABASE_URL"], autocommit=True) as connection:
        _wait_until_stored(connection, count=count, since=started_at)
    return measure_ms(pipeline.rig, announcements, started_at=started_at + WARM_S)


def _wait_until_stored(connection: psycopg.Connection, *, count: int, since: float) -> None:
    """Every message has 3 readings."""
    stored = 0

    def is_stored() -> bool:
        nonlocal stored
        row = connection.execute(
            "SELECT count(*) / 3 FROM reading WHERE time >= to_timestamp(%s)", [since]
        ).fetchone()
        stored = row[0] if row else 0
        return stored >= count

    with suppress(StackError):
        wait_until(is_stored, timeout_s=STORED_WITHIN_S, what="stored")
    if stored != count:
        raise StackError(
            f"ingestion stands: {count:,} messages of healthy gateways were acknowledged, "
            f"{stored:,} are stored {STORED_WITHIN_S:g} s later"
        )


def _start_wrong(rig: Rig, load: Beside) -> Supervised:
    """They send until they are stopped."""
    seconds = load.alone + HOLDS_WITHIN_S + load.seconds + WARM_S + 2 * STORED_WITHIN_S
    wrong = _launch(rig, *_name_wrong(load), "--seconds", str(seconds), "--from-1970")
    time.sleep(load.alone)
    return wrong


def _end_wrong(wrong: Supervised) -> int:
    """Messages that were sent. SIGTERM ends the generator when all are acknowledged."""
    wrong.stop()
    return _read_count(wrong)


def _set_right(rig: Rig, redis: Redis, load: Beside) -> float:
    """The same gateways with the right time; seconds until nothing is held or pending."""
    started_s = time.monotonic()
    right = _launch(rig, *_name_wrong(load), "--seconds", str(load.right_again))
    wait_until(
        lambda: not read_alarm(redis) and not redis.zcard(PENDING_KEY),
        timeout_s=LET_GO_WITHIN_S,
        what="the guard lets go and nothing is pending",
    )
    let_go_s = time.monotonic() - started_s
    wait_until(lambda: not right.is_running, timeout_s=load.right_again + 30, what="the last flow")
    wait_until(lambda: not redis.zcard(PENDING_KEY), timeout_s=30, what="nothing is pending")
    return let_go_s


def _name_wrong(load: Beside) -> list[str]:
    first = ["--first-gateway", str(GATEWAYS), "--gateways", str(load.wrong)]
    return [*first, "--rate", str(load.wrong_rate)]


def _launch(rig: Rig, *arguments: str) -> Supervised:
    argv = [str(PYTHON), "-m", "tests.bench.load", *arguments]
    return rig.launch(f"load-{time.monotonic_ns()}", argv)


def _read_count(load: Supervised) -> int:
    """Acknowledged messages, by the generator's last whole line."""
    lines = [line.split() for line in load.read_log().splitlines()]
    counts = [int(words[0]) for words in lines if len(words) == 2 and words[0].isdigit()]
    return counts[-1] if counts else 0


def _percentile(values: list[float], point: int) -> float:
    return values[len(values) * point // 100]


def _redis(rig: Rig) -> Redis:
    return Redis.from_url(rig.environ["REDIS_URL"])
