"""Quiet gateways beside one that sends far above its limit: how long do their messages take?

First the quiet ones alone, then beside the loud one. Every message of both must have its end: what
is above the loud one's limit is stored later, what is above its excess is rejected and counted.
"""

import time
from contextlib import closing
from dataclasses import dataclass

import psycopg

from compose.local.layout import PYTHON, StackError
from telemetry.simulator.simulated_fleet import simulated_mac
from tests.bench.flow import Pipeline
from tests.bench.latency import POINTS, Announcements
from tests.bench.results import Run
from tests.bench.rig import Rig, wait_until
from tests.chaos.supervised import Supervised

WARM_S = 1.0
ENDED_WITHIN_S = 120.0
LIMITS = {
    "LIMIT_GATEWAY_RATE": "20",
    "LIMIT_BURST_S": "10",
    "LIMIT_EXCESS_TIMES": "4",
}
PUBLISHED = """
SELECT DISTINCT (extract(epoch FROM received_at) * 1000000)::bigint, gateway_id,
    (extract(epoch FROM time) * 1000000)::bigint
FROM reading WHERE time >= to_timestamp(%(since)s) AND gateway_id <> %(loud)s
"""
ENDED = """
SELECT (SELECT count(*) / 3 FROM reading WHERE gateway_id = %(loud)s),
    (SELECT coalesce(sum(occurrences), 0)::bigint FROM dead_letter
        WHERE gateway_id = %(loud)s AND reason = 'rate_limited'),
    (SELECT count(*) FROM dead_letter WHERE reason = 'rate_limited')
"""


@dataclass(frozen=True)
class Loud:
    """`quiet` gateways send `rate` messages a second together, one sends `loud_rate`.
    `has_defaults`: with the limits that the product has by default, whose bursts are longer."""

    quiet: int = 500
    rate: float = 500.0
    loud_rate: float = 2_000.0
    seconds: float = 20.0
    has_defaults: bool = False


def run_loud(load: Loud, *, concurrency: int) -> Run:
    """Percentiles alone and beside, and what became of the loud one's messages. Raises `StackError`
    when a message has no end or the books do not balance."""
    with Rig(concurrency=concurrency) as rig:
        for name, value in LIMITS.items():
            if load.has_defaults:
                rig.environ.pop(name, None)
            else:
                rig.environ[name] = value
        pipeline = Pipeline(rig, gateways=load.quiet + 1)
        with (
            closing(Announcements(rig)) as announcements,
            psycopg.connect(rig.environ["DATABASE_URL"], autocommit=True) as connection,
        ):
            row = connection.execute(
                "SELECT id FROM gateway WHERE mac = %s", [simulated_mac(load.quiet)]
            ).fetchone()
            loud_id = row[0] if row else 0
            before = _count(connection, loud_id)

            def measure() -> list[float]:
                return measure_quiet(
                    rig, connection, announcements,
                    gateways=load.quiet, rate=load.rate, seconds=load.seconds, loud_id=loud_id,
                )  # fmt: skip

            normal = measure()
            arguments = ["--first-gateway", str(load.quiet), "--gateways", "1"]
            seconds = load.seconds + 2 * WARM_S
            loud = launch_load(
                rig, *arguments, "--rate", str(load.loud_rate), "--seconds", str(seconds)
            )
            beside = measure()
            wait_until(lambda: not loud.is_running, timeout_s=60, what="the loud one ends")
            sent, ended_s = read_count(loud), time.monotonic()

            def is_over() -> bool:
                stored, rejected, _ = _count(connection, loud_id)
                return stored + rejected - before[0] - before[1] >= sent

            wait_until(is_over, timeout_s=ENDED_WITHIN_S, what=f"an end for {sent:,} loud messages")
            stored, rejected, rows = _count(connection, loud_id)
            late_s = time.monotonic() - ended_s
        pipeline.close()
    if stored + rejected - before[0] - before[1] != sent:
        raise StackError(f"{sent:,} were sent, {stored:,} stored, {rejected:,} rejected")
    run: Run = {}
    for point in POINTS:
        run[f"alone, p{point}, ms"] = percentile(normal, point)
        run[f"beside {load.loud_rate:g} a second, p{point}, ms"] = percentile(beside, point)
    run["p99 beside, times that alone"] = percentile(beside, 99) / percentile(normal, 99)
    run["loud messages acknowledged"] = sent
    run["of those stored"] = stored - before[0]
    run["of those rejected and counted"] = rejected
    run["dead letters that count them"] = rows
    run["last loud message ended after, s"] = late_s
    return run


def measure_quiet(
    rig: Rig,
    connection: "psycopg.Connection[tuple[int, ...]]",
    announcements: Announcements,
    *,
    gateways: int,
    rate: float,
    seconds: float,
    loud_id: int = 0,
) -> list[float]:
    """The quiet gateways' latencies in order. Raises `StackError` when one is not stored."""
    started_at = time.time()
    arguments = ["--rate", str(rate), "--seconds", str(seconds + WARM_S)]
    quiet = launch_load(rig, *arguments, "--gateways", str(gateways))
    wait_until(lambda: not quiet.is_running, timeout_s=seconds + 60, what="the generator ends")
    count = read_count(quiet)
    given = {"since": started_at, "loud": loud_id}
    stored = f"SELECT count(*) FROM ({PUBLISHED}) published"

    def is_stored() -> bool:
        row = connection.execute(stored, given).fetchone()
        return row is not None and row[0] >= count

    wait_until(is_stored, timeout_s=30, what=f"{count:,} messages of quiet gateways are stored")
    time.sleep(0.5)  # the last announcements
    given["since"] = started_at + WARM_S
    return sorted(
        (announcements.committed_us[received_us] - published_us) / 1000
        for received_us, _, published_us in connection.execute(PUBLISHED, given).fetchall()
    )


def _count(connection: "psycopg.Connection[tuple[int, ...]]", loud_id: int) -> tuple[int, int, int]:
    row = connection.execute(ENDED, {"loud": loud_id}).fetchone()
    assert row is not None
    return int(row[0]), int(row[1]), int(row[2])


def launch_load(rig: Rig, *arguments: str) -> Supervised:
    argv = [str(PYTHON), "-m", "tests.bench.load", *arguments]
    return rig.launch(f"load-{time.monotonic_ns()}", argv)


def read_count(load: Supervised) -> int:
    """Acknowledged messages, by the generator's last whole line."""
    lines = [line.split() for line in load.read_log().splitlines()]
    counts = [int(words[0]) for words in lines if len(words) == 2 and words[0].isdigit()]
    return counts[-1] if counts else 0


def percentile(values: list[float], point: int) -> float:
    return values[len(values) * point // 100]
