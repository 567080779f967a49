"""A backlog in the broker, then bridge and pool start: how fast is it stored, at what cost?

CPU time is the operating system's accounting of each process and its children, over the drain
alone, in microseconds per message of 3 readings. The rate is that of the whole, the start of bridge
and pool included; CPU time is counted from the first stored batch on, and that of the start stands
apart.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass

import psutil
import psycopg

from compose.bench.floor import subscribe, take_backlog
from compose.bench.naive import COUNT
from compose.bench.results import Run
from compose.bench.rig import Rig, tree_seconds
from compose.chaos.stack import Supervised
from compose.local.layout import PYTHON, StackError

STORED = "SELECT coalesce(sum(messages), 0) FROM batch"
READINGS = 3


@dataclass(frozen=True)
class Drain:
    """What is drained, and by what. `prepare` works on the fresh servers before all else."""

    count: int = 200_000
    concurrency: int = 2
    bridges: int = 1
    gateways: int = 50
    has_floor: bool = False
    prepare: Callable[[Rig], None] | None = None
    rows_before: int = 0  # that `prepare` stored: beside the books

    @property
    def client_ids(self) -> list[str]:
        """The bridges' client ids."""
        return [f"bridge-{number + 1}" for number in range(self.bridges)]


def run_drain(plan: Drain, *, naive: int) -> Run:
    """A drain, with the floor and the naive way beside it; the figures."""
    figures = drain(plan)
    if naive:
        with Rig(concurrency=plan.concurrency) as rig:
            rate = measure_naive(rig, count=naive, concurrency=plan.concurrency)
        figures["naive, messages a second"] = rate
        figures["times naive"] = figures["messages a second"] / rate
    return figures


def drain(plan: Drain) -> Run:
    """One backlog on fresh servers; the figures. Raises `StackError`."""
    with Rig(concurrency=plan.concurrency) as rig:
        if plan.prepare is not None:
            plan.prepare(rig)
        for client_id in plan.client_ids:  # their sessions queue while they are away
            bridge = rig.start("bridge", BRIDGE_CLIENT_ID=client_id)
            rig.wait_for_bridge(client_id)
            bridge.stop()
        if plan.has_floor:
            subscribe(rig)
        rig.simulate(count=plan.count, gateways=plan.gateways)
        figures = _measure(rig, plan)
        if plan.has_floor:
            floor = take_backlog(rig, count=plan.count)
            figures["mosquitto_sub, messages a second"] = floor
            figures["share of mosquitto_sub, %"] = 100 * figures["messages a second"] / floor
        return figures


def _measure(rig: Rig, plan: Drain) -> Run:
    """Start bridges and pool, and wait until the last row is committed."""
    count = plan.count
    servers_before = rig.measure_cpu_s()
    started_s = time.monotonic()
    bridges = [rig.start("bridge", BRIDGE_CLIENT_ID=client_id) for client_id in plan.client_ids]
    worker = rig.start("worker-ingest")
    stored = rig.wait_for_rows(STORED, count=1)
    first_s = time.monotonic() - started_s
    start = _measure_both(bridges, worker)
    if stored >= count:  # a backlog of one batch: the start cannot be told from the rest
        stored, first_s, start = 0, 0.0, dict.fromkeys(start, 0.0)
    rig.wait_for_rows(STORED, count=count)
    elapsed_s = time.monotonic() - started_s
    both = _measure_both(bridges, worker)
    servers = rig.measure_cpu_s()
    costs = {
        **{f"{name}, us": (servers[name] - servers_before[name]) / count * 1e6 for name in servers},
        **{f"{name}, us": (both[name] - start[name]) / (count - stored) * 1e6 for name in both},
    }
    memory = {
        "bridge, MB": max(resident_mb(bridge.pid) for bridge in bridges),
        "largest worker child, MB": max(map(resident_mb, worker.children())),
    }
    for process in (*bridges, worker):
        process.stop()
    _check_books(rig, plan)
    return {
        "messages a second": count / elapsed_s,
        "from the first batch on": (count - stored) / (elapsed_s - first_s),
        **costs,
        "all, us": sum(costs.values()),
        "start of bridge and pool, CPU s": sum(start.values()),
        **memory,
    }


def _check_books(rig: Rig, plan: Drain) -> None:
    """The delivery report balances, and every reading is a row. Raises `StackError`."""
    if not plan.rows_before:
        rig.manage("delivery_report", "--count-rows")
        return
    rig.manage("delivery_report")
    with psycopg.connect(rig.environ["DATABASE_URL"]) as connection:
        row = connection.execute("SELECT count(*) FROM reading").fetchone()
    expected = plan.rows_before + plan.count * READINGS
    if row is None or row[0] != expected:
        raise StackError(f"{row[0] if row else 0:,} rows: expected {expected:,}")


def resident_mb(pid: int) -> float:
    """Resident memory of a process."""
    return float(psutil.Process(pid).memory_info().rss) / 1e6


def _measure_both(bridges: list[Supervised], worker: Supervised) -> dict[str, float]:
    return {
        "bridge": sum(tree_seconds(bridge.pid) for bridge in bridges),
        "worker": tree_seconds(worker.pid),
    }


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
