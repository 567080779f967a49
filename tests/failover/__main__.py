"""`python -m tests.failover`: lose the host of Redis's master or PostgreSQL's primary, under load.

Each is tried twice: with replication that nobody waits for, and with acknowledgements that wait
for a replica. Before the host is lost, the replicas get nothing for some seconds: between hosts
replication may be late, and on one machine it never would. Then the time until messages are stored
again, and what is lost: where replicas were waited for, nothing may be.
"""

import argparse
import signal
import sys
import time
from collections.abc import Callable
from typing import Any

import psycopg

from compose.local.layout import PYTHON, StackError
from compose.local.progress import say
from config.options import RedisOptions
from config.queue import connect_redis
from telemetry.queue.batches import BatchQueue
from telemetry.store.db.connection import open_connection
from telemetry.store.operations.delivery_report import DeliveryReport, read_report
from tests.bench.drain import READINGS, STORED
from tests.bench.rig import Rig, wait_until
from tests.chaos.check import find_recovery_s
from tests.failover.postgres import promote, replicated_postgres
from tests.failover.redis import HOSTS, replicated_redis
from tests.hosts.network import Network

CONSUMING_AGAIN_S = 60.0
PROMOTED_AFTER_S = 3.0  # what a tool of failover takes to be sure
BEFORE_S = 5.0
QUIET_S = 15.0  # so long nothing is stored when all that is left is
READING_ROWS = "SELECT count(*) FROM reading"


def main() -> int:
    """Run it; the exit code."""
    parser = argparse.ArgumentParser(prog="python -m tests.failover", description=__doc__)
    parser.add_argument("servers", nargs="*", default=["redis", "postgres"], help="which; both")
    parser.add_argument("--rate", type=float, default=500.0, help="messages a second (500)")
    parser.add_argument("--seconds", type=float, default=60.0, help="of load (60)")
    parser.add_argument("--behind", type=float, default=3.0, help="seconds without a replica (3)")
    parser.add_argument("--waiting", action="store_true", help="only where a replica is waited for")
    options = parser.parse_args()
    trials = {"redis": try_redis, "postgres": try_postgres}
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))  # what was started ends with it
    try:
        for name in options.servers:
            for is_waiting in (True,) if options.waiting else (False, True):
                with Network() as network, Rig(concurrency=2) as rig:
                    for host in HOSTS:
                        network.add_host(host)
                    rig.simulate(count=1)  # registers the fleet
                    trials[name](rig, network, options, is_waiting=is_waiting)
    except StackError as error:
        say(f"error: {error}")
        return 1
    return 0


def try_redis(rig: Rig, network: Network, options: Any, *, is_waiting: bool) -> None:
    """Lose the master while its batches wait, since the pool is stopped."""
    with replicated_redis(rig, network) as master:
        rig.environ["REDIS_WAIT_REPLICAS"] = str(int(is_waiting))

        def lose(stop_pool: Callable[[], None], start_pool: Callable[[], None]) -> float:
            stop_pool()
            network.block(master.number, *(host for host in HOSTS if host != master.number))
            time.sleep(options.behind)
            master.lose()
            lost_at = time.time()
            start_pool()
            return lost_at

        what = f"Redis, {'one replica' if is_waiting else 'no replica'} waited for"
        try_failover(rig, options, lose=lose, what=what, may_lose=not is_waiting)


def try_postgres(rig: Rig, network: Network, options: Any, *, is_waiting: bool) -> None:
    """Lose the primary, and promote the standby."""
    with replicated_postgres(rig, network, is_synchronous=is_waiting) as (primary, standby):

        def lose(_stop: Callable[[], None], _start: Callable[[], None]) -> float:
            network.block(primary.number, standby.number)
            time.sleep(options.behind)
            primary.lose()
            lost_at = time.time()
            time.sleep(PROMOTED_AFTER_S)
            promote(standby)
            return lost_at

        what = f"PostgreSQL, {'synchronous' if is_waiting else 'asynchronous'} standby"
        try_failover(rig, options, lose=lose, what=what, may_lose=not is_waiting)


def try_failover(
    rig: Rig,
    options: Any,
    *,
    lose: Callable[[Callable[[], None], Callable[[], None]], float],
    what: str,
    may_lose: bool,
) -> None:
    """Publish, lose the host, and count. Raises `StackError` when it lasts or loses too much."""
    bridge = rig.start("bridge")
    wait_until(lambda: "connected" in bridge.read_log(), timeout_s=60, what="the bridge connects")
    pool = rig.start("worker-ingest")
    arguments = ["--rate", str(options.rate), "--seconds", str(options.seconds)]
    load = rig.launch("load", [str(PYTHON), "-m", "tests.bench.load", *arguments])
    load.is_wanted = False  # it ends by itself
    rig.wait_for_rows(STORED, count=int(options.rate), timeout_s=30)
    time.sleep(BEFORE_S)

    def is_started() -> bool:
        pool.is_wanted = True
        pool.look(now_s=time.monotonic())
        return pool.is_running

    def start_pool() -> None:
        wait_until(is_started, timeout_s=10, what="the pool is started again")

    lost_at = lose(pool.stop, start_pool)
    wait_until(
        lambda: not load.is_running, timeout_s=options.seconds + 60, what="the fleet has published"
    )
    sent = int(load.read_log().split()[-2])
    stored = wait_for_last(rig, count=sent * READINGS) // READINGS
    recovery_s = find_recovery_s(rig.environ["DATABASE_URL"], healed_at=lost_at)
    report = read_books(rig)
    say(
        f"{what}: {sent:,} acknowledged to gateways, {sent - stored:,} lost, received "
        f"{report.received:,}, difference {report.difference}; stored again after "
        f"{'never' if recovery_s is None else format(recovery_s, '.1f')} s"
    )
    for process in (bridge, pool):
        process.stop()
    if recovery_s is None or recovery_s > CONSUMING_AGAIN_S:
        logs = f"{bridge.read_log()[-2000:]}\n{pool.read_log()[-2000:]}"
        raise StackError(f"consuming again after {recovery_s} s:\n{logs}")
    if not may_lose and (stored != sent or report.difference or report.rows_difference):
        raise StackError(f"lost {sent - stored} messages: {report}")


def wait_for_last(rig: Rig, *, count: int) -> int:
    """The rows of readings when all are there, or no more come."""
    rows, last_s = 0, time.monotonic()
    while rows < count and time.monotonic() < last_s + QUIET_S:
        with psycopg.connect(rig.environ["DATABASE_URL"]) as connection:
            row = connection.execute(READING_ROWS).fetchone()
        found = int(row[0]) if row else 0
        if found != rows:
            rows, last_s = found, time.monotonic()
        time.sleep(0.5)
    return rows


def read_books(rig: Rig) -> DeliveryReport:
    """The delivery report, with the rows counted."""
    redis = connect_redis(RedisOptions(rig.environ["REDIS_URL"]))
    url = rig.environ["DATABASE_URL"]
    with redis, open_connection(url, name="failover", statement_timeout_s=60) as connection:
        return read_report(connection, BatchQueue(redis), count_rows=True)


if __name__ == "__main__":
    sys.exit(main())
