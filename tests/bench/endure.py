"""A long outage of a part, or far more load than can be stored: is memory bounded, is all drained?

    .venv/bin/python -m tests.bench.endure outage --part postgres --seconds 600 --rate 500
    .venv/bin/python -m tests.bench.endure overload --rate 50000 --seconds 300

A stack of its own on free ports, as `make up` sizes it. Prints the resident memory of each part
while it lasts, the time of the drain, and whether every acknowledged message is accounted for.
"""

import argparse
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

from compose.chaos.faults import SERVERS
from compose.chaos.run import set_up_django, wait_until_healthy
from compose.chaos.stack import ChaosStack
from compose.local.layout import PYTHON, REPOSITORY

SAMPLE_S = 5.0


def main() -> int:
    """Run one trial; the exit code tells whether all was accounted for."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("trial", choices=("outage", "overload"))
    parser.add_argument("--part", choices=SERVERS, default="postgres", help="what is stopped")
    parser.add_argument("--seconds", type=float, default=600, help="of the outage or the load")
    parser.add_argument("--rate", type=float, default=500, help="messages a second")
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
            stack.begin()
            if problems := wait_until_healthy(stack):
                console.print("not healthy:", *problems)
                return 1
            return run(stack, watch, options, console)
        finally:
            watch.stop()
            stack.stop()


def run(stack: ChaosStack, watch: "Watch", options: argparse.Namespace, console: Console) -> int:
    """Load, with the outage in it; then the drain."""
    watch.start()
    lead_s = 10 if options.trial == "outage" else 0
    count = int(options.rate * (options.seconds + lead_s))
    simulator = simulate(stack, count=count, options=options)
    if options.trial == "outage":
        time.sleep(lead_s)
        stack.find(options.part).stop()
        console.print(f"{options.part} stopped")
        time.sleep(options.seconds)
        watch.note("end of the outage")
        stack.restore_server(options.part)
    else:
        time.sleep(options.seconds)
        watch.note("end of the load")
    ended_s = time.monotonic()
    console.print("given back" if options.trial == "outage" else "load ended")
    output, _ = simulator.communicate(timeout=options.drain)
    drained = wait_until_drained(stack, timeout_s=options.drain)
    drain_s = time.monotonic() - ended_s
    watch.note("drained")
    console.print(output.decode())
    console.print(watch.as_table())
    console.print(f"drained in {drain_s:.1f} s" if drained else "NOT drained")
    done = subprocess.run(
        [str(PYTHON), "manage.py", "delivery_report", "--count-rows"],
        cwd=REPOSITORY,
        env=stack.environ,
        check=False,
    )
    problems = wait_until_healthy(stack)
    console.print(*(problems or ["all healthy"]), sep="\n")
    return 1 if simulator.returncode or done.returncode or not drained else 0


def simulate(stack: ChaosStack, *, count: int, options: argparse.Namespace) -> Any:
    """The load, as a process of its own. It verifies at its end."""
    arguments = ["--gateways", "50", "--rate", str(options.rate), "--count", str(count)]
    arguments += ["--patience", "0", "--seed", "7", "--verify", "--timeout", str(options.drain)]
    if options.trial == "overload":
        arguments += ["--window", "20000"]
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
