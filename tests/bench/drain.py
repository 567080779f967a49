"""A backlog in the broker, then bridge and pool start: how fast is it stored, at what cost?

CPU time is the operating system's accounting of each process and its children, in microseconds per
message of 3 readings. The rate is that of the whole, the start of bridge and pool included. What
that start costs is measured beforehand, with nothing to do, and stands apart from the messages'.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass

import psutil
import psycopg

from compose.local.layout import PYTHON, StackError
from tests.bench.floor import subscribe, take_backlog
from tests.bench.naive import COUNT, SUBSCRIBED
from tests.bench.results import Run
from tests.bench.rig import Rig, tree_seconds, wait_until

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
    [figures] = drain_repeatedly(plan, times=1)
    return figures


def drain_repeatedly(plan: Drain, *, times: int) -> list[Run]:
    """One backlog after the other on the same servers, prepared once; the figures of each.

    Raises `StackError`.
    """
    with Rig(concurrency=plan.concurrency) as rig:
        if plan.prepare is not None:
            plan.prepare(rig)
        return [drain_again(rig, plan, number=number) for number in range(times)]


def drain_again(rig: Rig, plan: Drain, *, number: int) -> Run:
    """One backlog; the figures. `number`: drains on these servers before. Raises `StackError`."""
    start = _start_idle(rig, plan)
    if plan.has_floor:
        subscribe(rig)
    rig.simulate(count=plan.count, gateways=plan.gateways)
    figures = _measure(rig, plan, start=start, number=number)
    if plan.has_floor:
        floor = take_backlog(rig, count=plan.count)
        figures["mosquitto_sub, messages a second"] = floor
        figures["share of mosquitto_sub, %"] = 100 * figures["messages a second"] / floor
    return figures


def _start_idle(rig: Rig, plan: Drain) -> dict[str, float]:
    """CPU seconds that the start of bridges and pool costs when nothing waits.

    The bridges' sessions queue from here on.
    """
    spent = {"bridge": 0.0}
    for client_id in plan.client_ids:
        bridge = rig.start("bridge", BRIDGE_CLIENT_ID=client_id)
        rig.wait_for_bridge(client_id)
        spent["bridge"] += tree_seconds(bridge.pid)
        bridge.stop()
    worker = rig.start("worker-ingest")
    wait_until(lambda: " ready." in worker.read_log(), timeout_s=30, what="the pool is ready")
    spent["worker"] = tree_seconds(worker.pid)
    worker.stop()
    return spent


def _measure(rig: Rig, plan: Drain, *, start: dict[str, float], number: int) -> Run:
    """Start bridges and pool, and wait until the last row is committed.

    `start`: CPU seconds of their start alone; `number`: drains on these servers before.
    """
    count = plan.count
    before = number * count
    servers_before = rig.measure_cpu_s()
    started_s = time.monotonic()
    bridges = [rig.start("bridge", BRIDGE_CLIENT_ID=client_id) for client_id in plan.client_ids]
    worker = rig.start("worker-ingest")
    first = rig.wait_for_rows(STORED, count=before + 1) - before
    first_s = time.monotonic() - started_s
    rig.wait_for_rows(STORED, count=before + count)
    elapsed_s = time.monotonic() - started_s
    spent = {
        "bridge": sum(tree_seconds(bridge.pid) for bridge in bridges),
        "worker": tree_seconds(worker.pid),
    }
    servers = rig.measure_cpu_s()
    memory = {
        "bridge, MB": max(resident_mb(bridge.pid) for bridge in bridges),
        "largest worker child, MB": max(map(resident_mb, worker.children())),
    }
    for process in (*bridges, worker):
        process.stop()
    _check_books(rig, plan, messages=before + count)
    return {
        "messages a second": count / elapsed_s,
        # A backlog of one batch is stored as a whole: its start cannot be told from the rest.
        "from the first batch on": (
            (count - first) / (elapsed_s - first_s) if first < count else count / elapsed_s
        ),
        **cost_by_message(
            before={**servers_before, **start}, after={**servers, **spent}, count=count
        ),
        "start of bridge and pool, CPU s": sum(start.values()),
        **memory,
    }


def cost_by_message(
    *, before: dict[str, float], after: dict[str, float], count: int
) -> dict[str, float]:
    """CPU microseconds for each message, by process and together, from CPU seconds before and
    after."""
    costs = {f"{name}, us": (after[name] - before[name]) / count * 1e6 for name in after}
    return {**costs, "all, us": sum(costs.values())}


def _check_books(rig: Rig, plan: Drain, *, messages: int) -> None:
    """The delivery report balances, and every reading is a row. Raises `StackError`."""
    if not plan.rows_before:
        rig.manage("delivery_report", "--count-rows")
        return
    rig.manage("delivery_report")
    with psycopg.connect(rig.environ["DATABASE_URL"]) as connection:
        row = connection.execute("SELECT count(*) FROM reading").fetchone()
    expected = plan.rows_before + messages * READINGS
    if row is None or row[0] != expected:
        raise StackError(f"{row[0] if row else 0:,} rows: expected {expected:,}")


def resident_mb(pid: int) -> float:
    """Resident memory of a process."""
    return float(psutil.Process(pid).memory_info().rss) / 1e6


def measure_naive(rig: Rig, *, count: int, concurrency: int) -> float:
    """The same kind of backlog, one task for each message, through the ORM; messages a second."""
    consume = [str(PYTHON), "-m", "tests.bench.naive", "consume"]
    subscriber = rig.launch("naive-subscriber", consume)
    wait_until(
        lambda: SUBSCRIBED in subscriber.read_log(), timeout_s=30, what="the naive one subscribes"
    )
    subscriber.stop()
    rig.simulate(count=count)
    started_s = time.monotonic()
    rig.launch("naive-subscriber", consume)
    work = [str(PYTHON), "-m", "tests.bench.naive", "work", "--concurrency", str(concurrency)]
    rig.launch("naive-worker", work)
    rig.wait_for_rows(COUNT, count=count * READINGS)
    return count / (time.monotonic() - started_s)
