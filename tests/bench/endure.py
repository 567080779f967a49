"""A long outage of a part, or far more load than can be stored: is memory bounded, is all drained?

    .venv/bin/python -m tests.bench.endure outage --part postgres --seconds 600 --rate 500
    .venv/bin/python -m tests.bench.endure overload --stored 800 --rate 8000 --seconds 300

A stack of its own on free ports, as `make up` sizes it. Prints the resident memory of each part
while it lasts, the time of the drain, and whether every acknowledged message is accounted for. With
`--stored` the pool stores no more than so many messages a second while the load lasts.
"""

import argparse
import json
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path
from typing import Any

import psutil
from redis import Redis
from rich.console import Console
from rich.table import Table

from compose.local.layout import PYTHON, REPOSITORY
from telemetry.queue.batches import BatchQueue
from telemetry.store.db.connection import open_connection
from telemetry.store.operations.delivery_report import read_report
from tests.chaos.faults import SERVERS
from tests.chaos.run import set_up_django, wait_until_healthy
from tests.chaos.stack import ChaosStack
from tests.chaos.supervised import Supervised

SAMPLE_S = 5.0


def main() -> int:
    """Run one trial; the exit code tells whether all was accounted for."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("trial", choices=("outage", "overload"))
    parser.add_argument("--part", choices=SERVERS, default="postgres", help="what is stopped")
    parser.add_argument("--seconds", type=float, default=600, help="of the outage or the load")
    parser.add_argument("--rate", type=float, default=500, help="messages a second")
    parser.add_argument("--stored", type=float, help="overload: most that the pool stores a second")
    parser.add_argument("--drain", type=float, default=3600, help="longest time of the drain, s")
    parser.add_argument("--redis-memory", default="1gb", help="Redis's limit; that of make up")
    options = parser.parse_args()
    console = Console(highlight=False, soft_wrap=True)
    with tempfile.TemporaryDirectory(prefix="endure-") as folder:
        stack = ChaosStack(Path(folder))
        watch = Watch(stack)
        try:
            stack.start(say=console.print)
            Redis.from_url(stack.environ["REDIS_URL"]).config_set("maxmemory", options.redis_memory)
            set_up_django(stack.environ)
            flag = Path(folder, "slow")
            if options.stored:
                slow_down(stack, flag, rate=options.stored)
            stack.begin()
            if problems := wait_until_healthy(stack):
                console.print("not healthy:", *problems)
                return 1
            return run(stack, watch, options, console, flag)
        finally:
            watch.stop()
            stack.stop()


def slow_down(stack: ChaosStack, flag: Path, *, rate: float) -> None:
    """Put a slow pool in the place of the stack's own."""
    flag.touch()
    quick = stack.processes["ingest"]
    environ = {**quick.environ, "SLOW_RATE": str(rate), "SLOW_WHILE": str(flag)}
    argv = [str(PYTHON), "-m", "tests.bench.slow_worker", "worker", "-Q", "ingest"]
    argv += ["-n", "ingest@slow", "--concurrency", environ["INGEST_CONCURRENCY"]]
    stack.processes["ingest"] = Supervised("ingest", argv, environ, stack.folder / "slow.log")


def run(
    stack: ChaosStack, watch: "Watch", options: argparse.Namespace, console: Console, flag: Path
) -> int:
    """Load, with the outage in it; then the drain."""
    watch.start()
    lead_s = 10 if options.trial == "outage" else 0
    count = int(options.rate * (options.seconds + lead_s))
    figures = stack.folder / "simulated.json"
    simulator = simulate(stack, count=count, options=options, figures=figures)
    if options.trial == "outage":
        time.sleep(lead_s)
        stack.find(options.part).stop()
        console.print(f"{options.part} stopped")
        time.sleep(options.seconds)
        watch.note("end of the outage")
        stack.restore_server(options.part)
    else:
        try:
            simulator.wait(options.seconds)
        except subprocess.TimeoutExpired:
            simulator.terminate()  # it ends in order, with what was acknowledged so far
        watch.note("end of the load")
        flag.unlink(missing_ok=True)
    ended_s = time.monotonic()
    console.print("given back" if options.trial == "outage" else "load ended")
    output, _ = simulator.communicate(timeout=options.drain)
    drained = wait_until_drained(stack, timeout_s=options.drain)
    drain_s = time.monotonic() - ended_s
    watch.note("drained")
    console.print(output.decode())
    console.print(watch.as_table())
    console.print(f"drained in {drain_s:.1f} s" if drained else "NOT drained")
    is_balanced = print_books(stack, figures, console)
    problems = wait_until_healthy(stack)
    console.print(*(problems or ["all healthy"]), sep="\n")
    is_whole = options.trial == "overload" or simulator.returncode == 0
    return 0 if is_whole and is_balanced and drained else 1


def print_books(stack: ChaosStack, figures: Path, console: Console) -> bool:
    """The delivery report beside what gateways were told; whether both agree exactly."""
    subprocess.run(
        [str(PYTHON), "manage.py", "delivery_report", "--count-rows"],
        cwd=REPOSITORY,
        env=stack.environ,
        check=False,
    )
    simulated = json.loads(figures.read_text(encoding="utf-8"))
    redis = Redis.from_url(stack.environ["REDIS_URL"])
    with open_connection(stack.environ["DATABASE_URL"], name="bench", statement_timeout_s=60) as c:
        report = read_report(c, BatchQueue(redis))
    redis.close()
    missing = simulated["acknowledged"] - report.stored - report.broker_dropped
    console.print(
        f"acknowledged {simulated['acknowledged']:,} (in {simulated['seconds']:,.0f} s) = stored "
        f"{report.stored:,} + dropped by the broker {report.broker_dropped:,} + {missing:,}; "
        f"unacknowledged at the end {simulated['unacknowledged']:,}"
    )
    # What was published and not yet acknowledged may have been stored all the same.
    return report.is_balanced and -simulated["unacknowledged"] <= missing <= 0


def simulate(stack: ChaosStack, *, count: int, options: argparse.Namespace, figures: Path) -> Any:
    """The load, as a process of its own. After an outage it verifies at its end."""
    arguments = ["--gateways", "50", "--rate", str(options.rate), "--count", str(count)]
    arguments += ["--patience", "0", "--seed", "7", "--json", str(figures)]
    if options.trial == "outage":
        arguments += ["--verify", "--timeout", str(options.drain)]
    return subprocess.Popen(
        [str(PYTHON), "manage.py", "simulate", *arguments],
        cwd=REPOSITORY,
        env=stack.environ,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
    )


def wait_until_drained(stack: ChaosStack, *, timeout_s: float) -> bool:
    """Until nothing is pending."""
    give_up_at = time.monotonic() + timeout_s
    with Redis.from_url(stack.environ["REDIS_URL"]) as redis:
        while redis.zcard("ingest:pending"):
            if time.monotonic() > give_up_at:
                return False
            time.sleep(0.2)
    return True


class Watch:
    """Samples the resident memory of every part, in MB."""

    def __init__(self, stack: ChaosStack) -> None:
        self._stack = stack
        self._first: dict[str, float] = {}
        self._most: dict[str, float] = {}
        self._notes: dict[str, dict[str, float]] = {}
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)

    def start(self) -> None:
        """Begin."""
        self._first = self.sample()
        self._thread.start()

    def stop(self) -> None:
        """End."""
        self._stopping.set()

    def note(self, name: str) -> None:
        """Keep what is used now under a name."""
        self._notes[name] = self.sample()

    def sample(self) -> dict[str, float]:
        """Resident memory by part, the largest child for pools and PostgreSQL apart; and what
        Redis says that it uses and how many messages are pending."""
        figures: dict[str, float] = {}
        for name, process in self._stack.processes.items():
            figures |= _memory(name, process.pid if process.is_running else None)
        for name in SERVERS:
            try:
                figures |= _memory(name, self._stack.find(name).pid)
            except Exception:
                continue
        with Redis.from_url(self._stack.environ["REDIS_URL"], socket_timeout=5) as redis:
            memory: Any = redis.info("memory")
            figures["redis used"] = memory["used_memory"] / 1e6
            pending: Any = redis.hget("ingest:counters", "pending_messages")
            figures["pending messages"] = float(pending or 0)
        return figures

    def as_table(self) -> Table:
        """At the start, at most, and at each note."""
        table = Table(title="Resident memory, MB", title_justify="left")
        for column in ("", "start", "most", *self._notes):
            table.add_column(column, justify="right" if column else "left")
        for name in self._most or self._first:
            rows = (self._first, self._most, *self._notes.values())
            table.add_row(name, *(f"{row[name]:,.1f}" if name in row else "" for row in rows))
        return table

    def _run(self) -> None:
        while not self._stopping.wait(SAMPLE_S):
            try:
                sample = self.sample()
            except Exception as error:
                sys.stderr.write(f"not sampled: {error}\n")
                continue
            for name, value in sample.items():
                self._most[name] = max(value, self._most.get(name, 0.0))


def _memory(name: str, pid: int | None) -> dict[str, float]:
    if pid is None:
        return {}
    process = psutil.Process(pid)
    figures = {name: process.memory_info().rss / 1e6}
    children = []
    for child in process.children(recursive=True):
        try:
            children.append(child.memory_info().rss / 1e6)
        except psutil.NoSuchProcess:
            continue
    if children:
        figures[f"{name}, largest child"] = max(children)
    return figures


if __name__ == "__main__":
    sys.exit(main())
