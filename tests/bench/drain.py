"""A backlog in the broker, then bridge and workers start: how fast is it stored, at what cost?

    .venv/bin/python -m tests.bench.drain --count 100000 --runs 3

Real servers on free ports with data of their own. CPU time is the operating system's accounting
of each process and its children, over the drain alone, in microseconds per message of 3 readings.
"""

import argparse
import os
import secrets
import statistics
import subprocess
import sys
import tempfile
import time
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import psutil
import psycopg
from rich.console import Console
from rich.table import Table

from compose.local.servers import ServerSet
from telemetry.queue.bridges import read_bridges
from tests.acceptance.processes import Process, wait_until

CELERY_WORKER = ("-m", "celery", "-A", "config", "worker", "-Q", "ingest", "-n", "ingest@bench")


def main() -> None:
    """Run the drain a few times and print medians."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--count", type=int, default=100_000, help="messages in the backlog")
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--concurrency", type=int, default=2, help="children of the worker")
    options = parser.parse_args()
    console = Console()
    runs = []
    for number in range(options.runs):
        with ServerSet() as servers, console.status(f"run {number + 1} of {options.runs}"):
            runs.append(run_once(servers, count=options.count, concurrency=options.concurrency))
        console.print(f"run {number + 1}: {runs[-1]['messages a second']:,.0f} messages a second")
    console.print(as_table(runs, count=options.count))


def run_once(servers: Any, *, count: int, concurrency: int) -> dict[str, float]:
    """One backlog on fresh servers; the figures by name."""
    environ = {
        **os.environ,
        **servers.environ,
        "SECRET_KEY": secrets.token_hex(32),
        "WEB_HTTPS": "false",
        "DJANGO_SETTINGS_MODULE": "config.settings",
        "BRIDGE_CLIENT_ID": "bridge-bench",
    }
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))

        def process(name: str, *arguments: str) -> Process:
            made = Process(name, list(arguments), environ, folder / f"{name}.log")
            made.start()
            stack.callback(made.stop)
            return made

        manage("migrate", "-v0", environ=environ)
        fill_broker(process, environ, count=count)
        before = cpu_seconds(servers)
        started_at = time.monotonic()
        bridge = process("bridge", "-m", "ingest_bridge")
        worker = process("worker", *CELERY_WORKER, "--concurrency", str(concurrency))
        wait_for_ledger(environ["DATABASE_URL"], count=count)
        elapsed_s = time.monotonic() - started_at
        after = cpu_seconds(servers)
        after["bridge"], after["worker"] = tree_seconds(bridge.pid), tree_seconds(worker.pid)
        bridge_mb = psutil.Process(bridge.pid).memory_info().rss / 1e6
        manage("delivery_report", "--count-rows", "--json", environ=environ)  # must balance
        costs = {
            f"{name} us": (seconds - before.get(name, 0.0)) / count * 1e6
            for name, seconds in after.items()
        }
        return {
            "messages a second": count / elapsed_s,
            **costs,
            "all us": sum(costs.values()),
            "bridge MB": bridge_mb,
        }


def fill_broker(process: Any, environ: dict[str, str], *, count: int) -> None:
    """Give the bridge a session at the broker, and the session a backlog."""
    from redis import Redis

    redis: Redis[bytes] = Redis.from_url(environ["REDIS_URL"])
    first = process("first", "-m", "ingest_bridge")
    wait_until(
        lambda: any(bridge.state == "ready" for bridge in read_bridges(redis)),
        timeout_s=30,
        what=f"the bridge is subscribed\n{first.read_log()}",
    )
    first.stop()
    redis.close()
    arguments = ("--gateways", "50", "--rate", "0", "--count", str(count), "--seed", "1")
    manage("simulate", *arguments, environ=environ)


def manage(*arguments: str, environ: dict[str, str]) -> None:
    """Run a management command to its end; fail with its words."""
    done = subprocess.run(
        [sys.executable, "manage.py", *arguments],
        check=False,
        env=environ,
        capture_output=True,
        text=True,
    )
    if done.returncode:
        raise SystemExit(f"{arguments[0]} failed:\n{done.stdout}{done.stderr}")


def wait_for_ledger(database_url: str, *, count: int) -> None:
    """Until the ledger holds `count` messages."""
    with psycopg.connect(database_url, autocommit=True) as connection:
        statement = "SELECT coalesce(sum(messages), 0) FROM batch"
        wait_until(
            lambda: connection.execute(statement).fetchone()[0] >= count,  # type: ignore[index]
            timeout_s=600,
            what=f"{count} messages in the ledger",
        )


def cpu_seconds(servers: Any) -> dict[str, float]:
    """User and system time of each server so far."""
    return {
        name: tree_seconds(getattr(servers, name).pid)
        for name in ("mosquitto", "redis", "postgres")
    }


def tree_seconds(pid: int) -> float:
    """Of a process, its living children and those that ended."""
    process = psutil.Process(pid)
    own = process.cpu_times()
    total = own.user + own.system + own.children_user + own.children_system
    for child in process.children(recursive=True):
        times = child.cpu_times()
        total += times.user + times.system
    return total


def as_table(runs: list[dict[str, float]], *, count: int) -> Table:
    """Median, minimum and maximum of every figure."""
    table = Table(title=f"Drain of {count:,} messages, {len(runs)} runs", title_justify="left")
    for name in ("", "median", "minimum", "maximum"):
        table.add_column(name, justify="left" if not name else "right")
    for name in runs[0]:
        values = [run[name] for run in runs]
        shown = [statistics.median(values), min(values), max(values)]
        table.add_row(name, *(f"{value:,.1f}" for value in shown))
    return table


if __name__ == "__main__":
    main()
