"""A backlog in the broker, then bridge and pool start: how fast is it stored, at what cost?

CPU time is the operating system's accounting of each process and its children, over the drain
alone, in microseconds per message of 3 readings. The rate is that of the whole, the start of bridge
and pool included; CPU time is counted from the first stored batch on, and that of the start stands
apart.
"""

import time

import psutil
from redis import Redis

from compose.bench.floor import subscribe, take_backlog
from compose.bench.naive import COUNT
from compose.bench.results import Run
from compose.bench.rig import Rig, tree_seconds, wait_until
from compose.local.layout import PYTHON

STORED = "SELECT coalesce(sum(messages), 0) FROM batch"
READINGS = 3


def run_drain(*, count: int, concurrency: int, naive: int) -> Run:
    """One backlog on fresh servers, with the floor and the naive way beside it; the figures."""
    with Rig(concurrency=concurrency) as rig:
        make_session(rig)
        subscribe(rig)
        rig.simulate(count=count)
        figures = measure(rig, count=count)
        floor = take_backlog(rig, count=count)
        figures["mosquitto_sub, messages a second"] = floor
        figures["share of mosquitto_sub, %"] = 100 * figures["messages a second"] / floor
    if naive:
        with Rig(concurrency=concurrency) as rig:
            rate = measure_naive(rig, count=naive, concurrency=concurrency)
        figures["naive, messages a second"] = rate
        figures["times naive"] = figures["messages a second"] / rate
    return figures


def make_session(rig: Rig) -> None:
    """Give the bridge a session at the broker, which queues while it is away."""
    bridge = rig.start("bridge")
    with Redis.from_url(rig.environ["REDIS_URL"]) as redis:
        wait_until(
            lambda: b'"ready"' in (redis.get("ingest:bridge:bridge-1") or b""),
            timeout_s=30,
            what="the bridge is subscribed",
        )
    bridge.stop()


def measure(rig: Rig, *, count: int) -> Run:
    """Start bridge and pool, and wait until the last row is committed."""
    servers_before = rig.measure_cpu_s()
    started_s = time.monotonic()
    bridge, worker = rig.start("bridge"), rig.start("worker-ingest")
    stored = rig.wait_for_rows(STORED, count=1)
    first_s = time.monotonic() - started_s
    start = _measure_both(bridge.pid, worker.pid)
    rig.wait_for_rows(STORED, count=count)
    elapsed_s = time.monotonic() - started_s
    both = _measure_both(bridge.pid, worker.pid)
    servers = rig.measure_cpu_s()
    costs = {
        **{f"{name}, us": (servers[name] - servers_before[name]) / count * 1e6 for name in servers},
        **{f"{name}, us": (both[name] - start[name]) / (count - stored) * 1e6 for name in both},
    }
    memory = {
        "bridge, MB": psutil.Process(bridge.pid).memory_info().rss / 1e6,
        "largest worker child, MB": max(
            psutil.Process(pid).memory_info().rss / 1e6 for pid in worker.children()
        ),
    }
    bridge.stop()
    worker.stop()
    rig.manage("delivery_report", "--count-rows")  # fails unless the books balance
    return {
        "messages a second": count / elapsed_s,
        "from the first batch on": (count - stored) / (elapsed_s - first_s),
        **costs,
        "all, us": sum(costs.values()),
        "start of bridge and pool, CPU s": sum(start.values()),
        **memory,
    }


def _measure_both(bridge: int, worker: int) -> dict[str, float]:
    return {"bridge": tree_seconds(bridge), "worker": tree_seconds(worker)}


def measure_naive(rig: Rig, *, count: int, concurrency: int) -> float:
    """The same kind of backlog, one task for each message, through the ORM; messages a second."""
    consume = [str(PYTHON), "-m", "compose.bench.naive", "consume"]
    subscriber = rig.launch("naive-subscriber", consume)
    time.sleep(3)
    subscriber.stop()
    rig.simulate(count=count)
    started_s = time.monotonic()
    rig.launch("naive-subscriber", consume)
    work = [str(PYTHON), "-m", "compose.bench.naive", "work", "--concurrency", str(concurrency)]
    rig.launch("naive-worker", work)
    rig.wait_for_rows(COUNT, count=count * READINGS)
    return count / (time.monotonic() - started_s)
