"""`python -m tests.hosts`: servers on one host, pools on two others, links cut under load.

Measures what one and two pools store, then cuts the link of one host while the other works, then
those of both. Every message must be stored once, and the delivery report's difference must be 0.
"""

import argparse
import os
import signal
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any

import psycopg
from redis import Redis

from compose.local.layout import START_SCRIPTS, StackError
from compose.local.ports import HOST
from compose.local.progress import say
from compose.local.stack.programs import ADDRESSES, limit_addresses
from telemetry.core.batch import COUNTERS_KEY
from tests.bench.drain import STORED
from tests.bench.rig import Rig, wait_until
from tests.chaos.check import find_recovery_s
from tests.chaos.supervised import Supervised
from tests.hosts.network import SERVERS, SUBNET, Network

HOSTS = (2, 3)
CONSUMING_AGAIN_S = 60.0
BEFORE_S = 5.0
BETWEEN_S = 25.0


def main() -> int:
    """Run it; the exit code."""
    parser = argparse.ArgumentParser(prog="python -m tests.hosts", description=__doc__)
    parser.add_argument("--backlog", type=int, default=60_000, help="messages to store (60000)")
    parser.add_argument("--rate", type=float, default=500.0, help="messages a second (500)")
    parser.add_argument("--one", type=float, default=20.0, help="seconds that one is cut off (20)")
    parser.add_argument("--both", type=float, default=15.0, help="and both (15)")
    options = parser.parse_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))  # what was started ends with it
    try:
        with Network() as network, Rig(concurrency=2) as rig:
            for host in HOSTS:
                network.add_host(host)
            listen(rig)
            rig.simulate(count=1)  # registers the fleet
            for pools in (1, 2):
                rate = measure_pools(rig, network, pools=pools, count=options.backlog)
                say(f"{pools} pool(s) of one process, each on a host: {rate:,.0f} messages/s")
            cut_links(rig, network, options)
    except StackError as error:
        say(f"error: {error}")
        return 1
    return 0


def listen(rig: Rig) -> None:
    """Let PostgreSQL and Redis serve the other hosts, too."""
    rig.servers.redis.reconfigure(f"bind {HOST} {SERVERS}")
    postgres = rig.servers.postgres
    postgres.reconfigure(f"listen_addresses = '{HOST}, {SERVERS}'")
    with (postgres.folder / "pg_hba.conf").open("a", encoding="utf-8") as file:
        file.write(f"host all all {SUBNET}.0/24 scram-sha-256\n")
    os.kill(postgres.pid, signal.SIGHUP)


def start_pool(rig: Rig, network: Network, host: int, *, processes: int) -> Supervised:
    """The pool "ingest" on a host, with the servers' addresses as that host sees them."""
    own = limit_addresses(rig.environ, script="worker-ingest")
    environ = {name: own[name].replace(f"@{HOST}:", f"@{SERVERS}:") for name in ADDRESSES}
    argv = network.wrap(host, [str(START_SCRIPTS / "worker-ingest")])
    pool = rig.launch(f"pool-{host}", argv, **environ, INGEST_CONCURRENCY=str(processes))
    wait_until(lambda: " ready." in pool.read_log(), timeout_s=30, what="the pool is ready")
    return pool


@contextmanager
def running_bridge(rig: Rig) -> Iterator[None]:
    """A bridge beside the servers."""
    bridge = rig.start("bridge")
    rig.wait_for_bridge("bridge-1")
    try:
        yield
    finally:
        bridge.stop()


def measure_pools(rig: Rig, network: Network, *, pools: int, count: int) -> float:
    """Messages a second from a backlog in Redis, from the first that is stored to the last."""
    before = rig.wait_for_rows(STORED, count=0)
    with Redis.from_url(rig.environ["REDIS_URL"]) as redis, running_bridge(rig):
        received = int(redis.hget(COUNTERS_KEY, "received_messages") or 0)
        waiting = received - before
        rig.simulate(count=count)
        wait_until(
            lambda: int(redis.hget(COUNTERS_KEY, "received_messages") or 0) >= received + count,
            timeout_s=60,
            what="the backlog is in Redis",
        )
    started = [start_pool(rig, network, host, processes=1) for host in HOSTS[:pools]]
    first = rig.wait_for_rows(STORED, count=before + waiting + count // 10)
    first_s = time.monotonic()
    rig.wait_for_rows(STORED, count=before + waiting + count)
    rate = (before + waiting + count - first) / (time.monotonic() - first_s)
    for pool in started:
        pool.stop()
    return rate


def cut_links(rig: Rig, network: Network, options: Any) -> None:
    """Publish, cut one link and both, heal them, and compare every message."""
    seconds = BEFORE_S + options.one + BETWEEN_S + options.both + BETWEEN_S
    count = int(options.rate * seconds)
    pools = [start_pool(rig, network, host, processes=2) for host in HOSTS]
    with running_bridge(rig), ThreadPoolExecutor(1) as publishing:
        fleet = publishing.submit(publish, rig, rate=options.rate, count=count)
        wait_for_messages(rig)
        time.sleep(BEFORE_S)
        cut_at = time.time()
        network.cut(HOSTS[0])
        time.sleep(options.one)
        network.heal(HOSTS[0])
        longest_s = find_longest_wait_s(rig, since=cut_at)
        say(
            f"one of two hosts cut off for {options.one:g} s: nothing waited over {longest_s:.1f} s"
        )
        time.sleep(BETWEEN_S)
        network.cut(*HOSTS)
        time.sleep(options.both)
        network.heal(*HOSTS)
        healed_at = time.time()
        fleet.result()
        recovery_s = find_recovery_s(rig.environ["DATABASE_URL"], healed_at=healed_at)
        if recovery_s is None or recovery_s > CONSUMING_AGAIN_S:
            raise StackError(f"consuming again after {recovery_s} s")
        say(f"both cut off for {options.both:g} s: consuming again {recovery_s:.1f} s after")
    for pool in pools:
        pool.stop()
    rig.manage("delivery_report", "--count-rows")
    say(f"{count:,} messages at {options.rate:g}/s, each compared: stored once, difference 0")


def wait_for_messages(rig: Rig) -> None:
    """Until what is published is stored."""
    stored = rig.wait_for_rows(STORED, count=0)
    rig.wait_for_rows(STORED, count=stored + 100, timeout_s=60)


def publish(rig: Rig, *, rate: float, count: int) -> None:
    """A fleet that publishes, and compares what it published with the database."""
    rig.manage(
        *("simulate", "--gateways", "50", "--rate", str(rate), "--count", str(count)),
        *("--bad-share", "0.02", "--duplicate-share", "0.02", "--patience", "120"),
        *("--seed", "7", "--verify", "--timeout", "180"),
    )


def find_longest_wait_s(rig: Rig, *, since: float) -> float:
    """How long a batch took at most from its receipt until it was stored, or waits by now."""
    with psycopg.connect(rig.environ["DATABASE_URL"]) as connection:
        row = connection.execute(
            "SELECT greatest("
            "    max(extract(epoch FROM stored_at - received_at)),"
            "    extract(epoch FROM now() - max(received_at)))"
            " FROM batch WHERE received_at >= to_timestamp(%s)",
            [since],
        ).fetchone()
    return float(row[0]) if row and row[0] is not None else float("inf")


if __name__ == "__main__":
    sys.exit(main())
