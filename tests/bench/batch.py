"""Where the CPU time of a batch goes: by process, then by stage, at several rates.

The first flows run bridge and pool as they are: CPU time of every process, and round trips to
Redis. Then both run with a clock at each stage (`timed.py`), and PostgreSQL logs its statements;
that takes more time, so figures of the two parts are not added up.
"""

import os
import re
import signal
from collections.abc import Callable, Iterable
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import psutil
import psycopg
from redis import Redis

from compose.local.layout import PYTHON, StackError
from tests.bench.flow import Pipeline, open_pipeline
from tests.bench.results import Run
from tests.bench.rig import Rig, process_seconds
from tests.bench.timed import Spent, read_spent

RATES = (1_000.0, 5_000.0)
SESSIONS = "SELECT pid FROM pg_stat_activity WHERE application_name = 'tds-ingest'"
RARE = "bridge: call a worker"  # only when no process claims batches
BATCHES = "SELECT count(*), coalesce(sum(messages), 0) FROM batch"
TIMED = [str(PYTHON), "-m", "tests.bench.timed"]

_STATEMENT = re.compile(r"\[(\d+)\] \S+ LOG: +(?:statement|execute [^:]*):")


class Counts:
    """Batches and messages that a flow stored."""

    def __init__(self, rig: Rig) -> None:
        self._connection = psycopg.connect(rig.environ["DATABASE_URL"], autocommit=True)
        self.batches = self.messages = 0
        self._before = self._read()

    def stop(self) -> None:
        """Say what came since. Raises `StackError` when nothing did."""
        batches, messages = self._read()
        self.batches, self.messages = batches - self._before[0], messages - self._before[1]
        self._connection.close()
        if not self.batches:
            raise StackError("no batch was stored")

    def _read(self) -> tuple[int, int]:
        row: Any = self._connection.execute(BATCHES).fetchone()
        return int(row[0]), int(row[1])


def run_batch(
    *, rates: list[float], seconds: float, concurrency: int, say: Callable[[str], None]
) -> Run:
    """The figures at each rate, on one set of servers. Raises `StackError`."""
    run: Run = {}
    with (
        open_pipeline(concurrency=concurrency) as pipeline,
        TemporaryDirectory(prefix="timed-") as folder,
    ):
        for rate in rates:
            say(f"{rate:,.0f} a second: processes")
            figures = measure_processes(pipeline, rate=rate, seconds=seconds)
            run |= _name_figures(rate, figures)
        pipeline.bridge.stop()
        pipeline.worker.stop()
        put_timed(pipeline, Path(folder), concurrency=concurrency)
        for rate in rates:
            say(f"{rate:,.0f} a second: stages")
            figures = measure_stages(pipeline, Path(folder), rate=rate, seconds=seconds)
            run |= _name_figures(rate, figures)
    return run


def put_timed(pipeline: Pipeline, folder: Path, *, concurrency: int) -> None:
    """Put a bridge and a pool with clocks in the place of those that ended, and let PostgreSQL log
    every statement."""
    rig = pipeline.rig
    server = rig.servers.postgres
    with (server.folder / "postgresql.conf").open("a", encoding="utf-8") as file:
        file.write("log_statement = 'all'\n")
    os.kill(server.pid, signal.SIGHUP)
    environ = {"TIMED_FOLDER": str(folder)}
    pool = [*TIMED, "worker", "--hostname", "ingest@%h", "--concurrency", str(concurrency)]
    pipeline.bridge = rig.launch("timed-bridge", [*TIMED, "bridge"], **environ)
    pipeline.worker = rig.launch("timed-worker", pool, **environ)
    rig.wait_for_bridge("bridge-1")
    pipeline.send(rate=200, seconds=1)  # every process has done its first work


def measure_processes(pipeline: Pipeline, *, rate: float, seconds: float) -> Run:
    """CPU time and round trips of a batch, by process. Raises `StackError`."""
    parts = list_parts(pipeline)
    with Redis.from_url(pipeline.rig.environ["REDIS_URL"]) as redis:
        counts = Counts(pipeline.rig)
        before, redis_before = _measure_parts_s(parts), _read_redis(redis)
        pipeline.send(rate=rate, seconds=seconds)
        after, redis_after = _measure_parts_s(parts), _read_redis(redis)
        counts.stop()
    spent = {part: after[part] - before[part] for part in parts}
    total = sum(spent.values())
    return {
        "batches a second": counts.batches / seconds,
        "messages a batch": counts.messages / counts.batches,
        **{f"{part}, CPU ms": value / counts.batches * 1e3 for part, value in spent.items()},
        "all processes, CPU ms": total / counts.batches * 1e3,
        "all processes, CPU us a message": total / counts.messages * 1e6,
        **{
            f"{name} a batch": (redis_after[name] - redis_before[name]) / counts.batches
            for name in redis_after
        },
    }


def measure_stages(pipeline: Pipeline, folder: Path, *, rate: float, seconds: float) -> Run:
    """CPU and wall time of a batch by stage, and statements. Raises `StackError`."""
    log = pipeline.rig.servers.postgres.log
    at = log.stat().st_size
    counts, before = Counts(pipeline.rig), read_spent(folder)
    pipeline.send(rate=rate, seconds=seconds)
    after = read_spent(folder)
    counts.stop()
    with psycopg.connect(pipeline.rig.environ["DATABASE_URL"]) as connection:
        sessions = {row[0] for row in connection.execute(SESSIONS)}
    with log.open(encoding="utf-8", errors="replace") as file:
        file.seek(at)
        statements = count_statements(file, sessions)
    run: Run = {"PostgreSQL statements a batch": statements / counts.batches}
    for name, spent in after.items():
        found = Spent(
            spent.calls - before[name].calls,
            spent.cpu_s - before[name].cpu_s,
            spent.wall_s - before[name].wall_s,
        )
        if not found.calls and name != RARE:
            raise StackError(f"not a stage of a batch any more: {name}")
        run[f"{name}, CPU ms"] = found.cpu_s / counts.batches * 1e3
        run[f"{name}, wall ms"] = found.wall_s / counts.batches * 1e3
    return run


def list_parts(pipeline: Pipeline) -> dict[str, list[int]]:
    """Process ids of everything that a batch passes through."""
    servers = pipeline.rig.list_servers()
    with psycopg.connect(pipeline.rig.environ["DATABASE_URL"]) as connection:
        sessions = [row[0] for row in connection.execute(SESSIONS)]
    postgres = psutil.Process(servers["postgres"]).children(recursive=True)
    writers = [each.pid for each in postgres if "walwriter" in _read_title(each)]
    others = {each.pid for each in postgres} - {*sessions, *writers}
    return {
        "mosquitto": [servers["mosquitto"]],
        "bridge": [pipeline.bridge.pid],
        "redis": [servers["redis"]],
        "worker, main process": [pipeline.worker.pid],
        "worker, children": pipeline.worker.children(),
        "postgres, the pool's sessions": sessions,
        "postgres, WAL writer": writers,
        "postgres, the rest": [servers["postgres"], *others],
    }


def count_statements(lines: Iterable[str], sessions: set[int]) -> int:
    """Statements of these sessions in a log of PostgreSQL."""
    found = (_STATEMENT.search(line) for line in lines)
    return sum(1 for match in found if match and int(match[1]) in sessions)


def _measure_parts_s(parts: dict[str, list[int]]) -> dict[str, float]:
    return {part: sum(_seconds_or_0(pid) for pid in pids) for part, pids in parts.items()}


def _read_title(process: psutil.Process) -> str:
    try:
        return " ".join(process.cmdline())
    except psutil.NoSuchProcess:  # a session of the bench, that has ended
        return ""


def _seconds_or_0(pid: int) -> float:
    try:
        return process_seconds(pid)
    except ProcessLookupError:
        return 0.0


def _read_redis(redis: "Redis") -> dict[str, float]:
    figures: Any = redis.info("stats")
    return {
        "Redis round trips": figures["total_reads_processed"],
        "Redis commands": figures["total_commands_processed"],
    }


def _name_figures(rate: float, figures: Run) -> Run:
    return {f"{rate:g} a second, {name}": value for name, value in figures.items()}
