"""Bridge or pool with a clock at each stage of a batch: `python -m tests.bench.timed bridge`.

The stages' functions are wrapped in these processes alone; the product knows nothing of it. Each
process notes what a stage took without the stages that it called, in a file of TIMED_FOLDER that
`bench batch` reads while they run. A clock costs 2 us a call.
"""

import functools
import importlib
import mmap
import os
import runpy
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from msgspec import Struct

from compose.local.layout import StackError


class Stage(Struct, frozen=True):
    """A step on a batch's way, and the functions that take it: `module:name`, the module being the
    one that calls it by that name."""

    name: str
    calls: tuple[str, ...]

    @property
    def process(self) -> str:
        """Whose stage it is."""
        return self.name.partition(":")[0]


STAGES = (
    Stage(
        "bridge: wait", ("ingest_bridge.session:Session.wait", "ingest_bridge.bridge:Bridge._rest")
    ),
    Stage("bridge: collect", ("ingest_bridge.bridge:Bridge._read",)),
    Stage("bridge: pack", ("ingest_bridge.sender:pack_messages",)),
    Stage("bridge: hand over to Redis", ("telemetry.queue.batches:BatchQueue.write",)),
    Stage("bridge: call a worker", ("telemetry.queue.batches:BatchQueue.ring",)),
    Stage("bridge: acknowledge", ("ingest_bridge.session:Session.acknowledge",)),
    Stage("bridge: the rest", ("ingest_bridge.bridge:Bridge.step",)),
    Stage("worker: finish and claim", ("telemetry.queue.batches:BatchQueue.claim",)),
    Stage("worker: decode", ("telemetry.queue.batches:ClaimedBatch.read_messages",)),
    Stage("worker: look up the fleet", ("telemetry.store.ingest.fleet_cache:Registry.prepare",)),
    Stage("worker: validate", ("telemetry.store.ingest.batch_store:BatchStore.validate",)),
    Stage(
        "worker: ask the guard",
        (
            "workers.pool_guard:PoolGuard.approve",
            "workers.pool_guard:PoolGuard.note_stored",
        ),
    ),
    Stage("worker: pack the rows", ("telemetry.store.ingest.at_once:pack_rows",)),
    Stage("worker: write the query", ("telemetry.store.ingest.batch_store:store_at_once",)),
    Stage("worker: run the query", ("telemetry.store.ingest.at_once:_run",)),
    Stage("worker: presence", ("workers.runner:BatchRunner._note_presence",)),
    Stage("worker: the rest", ("workers.runner:BatchRunner._claim_and_store",)),
)

_FIELDS = 3  # of a stage in the file: calls, nanoseconds of CPU, of wall time
_SIZE = len(STAGES) * _FIELDS * 8


class Spent(Struct):
    """What a stage took."""

    calls: int = 0
    cpu_s: float = 0.0
    wall_s: float = 0.0


class Clock:
    """The clock of one process; a child that it forks gets a file of its own."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._pid = 0
        self._fields = memoryview(b"").cast("q")
        self._inner = [0, 0]  # CPU and wall time of the stages below the running one

    def wrap(self, number: int, call: Callable[..., Any]) -> Callable[..., Any]:
        """The same function, timed as the stage with this number."""

        @functools.wraps(call)
        def timed(*args: Any, **options: Any) -> Any:
            outer, inner = self._inner, [0, 0]
            self._inner = inner
            cpu, wall = time.thread_time_ns(), time.perf_counter_ns()
            try:
                return call(*args, **options)
            finally:
                cpu, wall = time.thread_time_ns() - cpu, time.perf_counter_ns() - wall
                self._inner = outer
                outer[0] += cpu
                outer[1] += wall
                self._note(number, cpu - inner[0], wall - inner[1])

        return timed

    def _note(self, number: int, cpu: int, wall: int) -> None:
        if self._pid != os.getpid():
            self._open()
        at = number * _FIELDS
        for place, value in enumerate((1, cpu, wall)):
            self._fields[at + place] += value

    def _open(self) -> None:
        self._pid = os.getpid()
        path = self._folder / str(self._pid)
        path.write_bytes(bytes(_SIZE))
        with path.open("r+b") as file:
            self._fields = memoryview(mmap.mmap(file.fileno(), _SIZE)).cast("q")


def read_spent(folder: Path) -> dict[str, Spent]:
    """What each stage took so far, in all processes."""
    spent = {stage.name: Spent() for stage in STAGES}
    for path in folder.iterdir():
        fields = memoryview(path.read_bytes()).cast("q")
        for number, stage in enumerate(STAGES[: len(fields) // _FIELDS]):
            calls, cpu, wall = fields[number * _FIELDS : (number + 1) * _FIELDS]
            found = spent[stage.name]
            found.calls += calls
            found.cpu_s += cpu / 1e9
            found.wall_s += wall / 1e9
    return spent


def put_clocks(clock: Clock, process: str) -> None:
    """Wrap the functions of a process's stages. Raises `StackError`."""
    for number, stage in enumerate(STAGES):
        if stage.process == process:
            for name in stage.calls:
                place, last = find_call(name)
                setattr(place, last, clock.wrap(number, getattr(place, last)))


def find_call(name: str) -> tuple[Any, str]:
    """Where a stage's function is, and its name there. Raises `StackError`."""
    module, _, path = name.partition(":")
    *above, last = path.split(".")
    try:
        place: Any = importlib.import_module(module)
    except ModuleNotFoundError:
        place = None
    for part in above:
        place = getattr(place, part, None)
    if not callable(getattr(place, last, None)):
        raise StackError(f"not a stage of a batch any more: {name}")
    return place, last


def main() -> None:
    """Run a process as its start script does, with clocks."""
    process, *arguments = sys.argv[1:]
    clock = Clock(Path(os.environ["TIMED_FOLDER"]))
    if process == "bridge":
        put_clocks(clock, process)
        sys.argv = ["ingest_bridge", *arguments]
        runpy.run_module("ingest_bridge", run_name="__main__")
        return
    pool = importlib.import_module("workers.ingest_pool")
    pool.app.loader.import_default_modules()
    put_clocks(clock, process)
    sys.exit(pool.main(arguments))


if __name__ == "__main__":
    main()
