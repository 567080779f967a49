"""Messages that flow through the whole system at a rate: bridge, pool and generator on one rig."""

import re
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import psutil
import psycopg
from msgspec import Struct

from compose.local.layout import PYTHON, StackError
from tests.bench.drain import STORED, resident_mb
from tests.bench.rig import Rig, tree_seconds
from tests.chaos.supervised import Supervised

GATEWAYS = 50
SAMPLE_EVERY_S = 0.5
DRAIN_S = 60.0


class Sample(Struct, frozen=True):
    """Where the messages are at one instant, counted from the start of the flow."""

    at_s: float
    acknowledged: int
    stored: int

    @property
    def backlog(self) -> int:
        """Acknowledged to the gateway, not yet stored."""
        return self.acknowledged - self.stored


class Flow(Struct, frozen=True):
    """What was seen of one flow. CPU seconds by process, over `seconds`."""

    rate: float
    seconds: float
    published: int
    samples: list[Sample]
    cpu_s: dict[str, float]
    published_s: float  # as the generator says


class Pipeline:
    """Bridge and pool on a rig, with a fleet registered, through which flows are sent.

    `beside`: other processes whose CPU time is counted.
    """

    def __init__(self, rig: Rig, *, gateways: int = GATEWAYS) -> None:
        self.rig = rig
        self.gateways = gateways
        self.beside: tuple[Supervised, ...] = ()
        rig.simulate(count=1, gateways=gateways)  # registers the fleet
        self.bridge = rig.start("bridge")
        self.worker = rig.start("worker-ingest")
        self._connection = psycopg.connect(rig.environ["DATABASE_URL"], autocommit=True)
        rig.wait_for_bridge("bridge-1")
        self.send(rate=200, seconds=2)  # every process has done its first work

    def close(self, *, counts_rows: bool = True) -> None:
        """End the processes; the books must balance, also with the rows of the table unless others
        stand there. Raises `StackError`."""
        self._connection.close()
        self.bridge.stop()
        self.worker.stop()
        self.rig.manage("delivery_report", *(["--count-rows"] if counts_rows else []))

    def send(
        self, *, rate: float, seconds: float, on_sample: Callable[[Sample], None] | None = None
    ) -> Flow:
        """Publish at a rate for a while, and wait until all is stored. Raises `StackError`."""
        stored_before = self.count_stored()
        arguments = (
            "--rate",
            str(rate),
            "--seconds",
            str(seconds),
            "--gateways",
            str(self.gateways),
        )
        name = f"load-{time.monotonic_ns()}"
        before = self._measure_cpu_s()
        started_s = time.monotonic()
        load = self.rig.launch(name, [str(PYTHON), "-m", "tests.bench.load", *arguments])
        samples: list[Sample] = []
        load_cpu_s = 0.0
        while load.is_running:
            try:
                load_cpu_s = tree_seconds(load.pid)
            except (ProcessLookupError, psutil.NoSuchProcess):
                break
            stored = self.count_stored() - stored_before
            acknowledged, _ = self._read_progress(load)
            samples.append(Sample(time.monotonic() - started_s, acknowledged, stored))
            if on_sample is not None:
                on_sample(samples[-1])
            if samples[-1].at_s > seconds + DRAIN_S:
                break
            time.sleep(SAMPLE_EVERY_S)
        elapsed_s = time.monotonic() - started_s
        published, published_s = self._read_progress(load)
        load.stop()
        if published < rate * seconds * 0.9:
            raise StackError(f"the generator stopped early: {load.read_log()[-2000:]}")
        self.rig.wait_for_rows(STORED, count=stored_before + published)
        after = self._measure_cpu_s()
        cpu_s = {part: after[part] - before[part] for part in after}
        return Flow(
            published / elapsed_s,
            elapsed_s,
            published,
            samples,
            {**cpu_s, "generator": load_cpu_s},
            published_s,
        )

    def count_stored(self) -> int:
        """Messages in the ledger."""
        row = self._connection.execute(STORED).fetchone()
        return int(row[0]) if row else 0

    def list_memory_mb(self) -> dict[str, float]:
        """Resident memory of every process."""
        found = {name: resident_mb(pid) for name, pid in self.rig.list_servers().items()}
        found["bridge"] = resident_mb(self.bridge.pid)
        found["worker, largest child"] = max(map(resident_mb, self.worker.children()))
        return found

    def _measure_cpu_s(self) -> dict[str, float]:
        return {
            **self.rig.measure_cpu_s(),
            "bridge": tree_seconds(self.bridge.pid),
            "worker": tree_seconds(self.worker.pid),
            **{process.name: tree_seconds(process.pid) for process in self.beside},
        }

    def _read_progress(self, load: Supervised) -> tuple[int, float]:
        lines = re.findall(r"^(\d+) ([\d.]+)$", load.read_log(), re.MULTILINE)
        return (int(lines[-1][0]), float(lines[-1][1])) if lines else (0, 0.0)


@contextmanager
def open_pipeline(*, concurrency: int, is_crash_safe: bool = True) -> Iterator[Pipeline]:
    """A pipeline on fresh servers; the delivery report must balance at its end."""
    with Rig(concurrency=concurrency, is_crash_safe=is_crash_safe) as rig:
        pipeline = Pipeline(rig)
        yield pipeline
        pipeline.close()


def stored_rate(flow: Flow) -> float:
    """Messages stored a second while they were published, the first fifth of the time left out."""
    samples = [sample for sample in flow.samples if sample.at_s >= flow.samples[-1].at_s / 5]
    first, last = samples[0], samples[-1]
    return (last.stored - first.stored) / (last.at_s - first.at_s)


def costs(flow: Flow) -> dict[str, float]:
    """CPU microseconds for each message, by process."""
    each = {f"{name}, us": spent / flow.published * 1e6 for name, spent in flow.cpu_s.items()}
    total = sum(spent for name, spent in flow.cpu_s.items() if name != "generator")
    return {**each, "all without the generator, us": total / flow.published * 1e6}
