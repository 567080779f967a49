"""Puts the world in the place of clock, chance, process ids and logs of the modules under test."""

import json
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from types import ModuleType
from typing import TYPE_CHECKING, Any

import ingest_bridge.backpressure
import ingest_bridge.bridge
import ingest_bridge.drops
import ingest_bridge.health
import ingest_bridge.lease
import ingest_bridge.queue_watch
import ingest_bridge.sender
import telemetry.queue.alarm
import telemetry.queue.batches
import telemetry.queue.levels
import telemetry.queue.pools
import workers.limits
import workers.pool_guard
import workers.runner
from telemetry.queue.batches import BatchQueue
from tests.simulation.world import World

if TYPE_CHECKING:
    from tests.simulation.plant import Plant

TIMED = (
    ingest_bridge.bridge,
    ingest_bridge.sender,
    ingest_bridge.lease,
    ingest_bridge.health,
    telemetry.queue.alarm,
    telemetry.queue.batches,
    telemetry.queue.levels,
    telemetry.queue.pools,
    workers.pool_guard,
    workers.runner,
)
CHANCY = (ingest_bridge.bridge, ingest_bridge.sender, workers.runner)
SECRET = (ingest_bridge.lease, telemetry.queue.batches)
LOGGED = (
    ingest_bridge.backpressure,
    ingest_bridge.bridge,
    ingest_bridge.drops,
    ingest_bridge.queue_watch,
    ingest_bridge.sender,
    workers.limits,
    workers.pool_guard,
    workers.runner,
)
NEVER_LOGGED = ("batch_missing", "batch_unreadable", "bad_batch_id")
WORKER_WAIT_S = 4.0  # what a worker's wait for batches becomes, to skip idle rounds
CLOSED_NAP_S = 0.5  # what a short sleep of a bridge without connection becomes


class Faked:
    """Time, random, secrets, os, psutil, socket, traceback and log in one: they share no name."""

    world: World
    plant: "Plant"

    def time(self) -> float:
        return self.world.now

    def monotonic(self) -> float:
        return self.world.now - 1_600_000_000.0

    def time_ns(self) -> int:
        return int(self.world.now * 1e9)

    def sleep(self, seconds: float) -> None:
        self.world.sleep(CLOSED_NAP_S if seconds == 0.05 else seconds)

    def random(self) -> float:
        return self.world.chance.random()

    def randbits(self, bits: int) -> int:
        return self.world.chance.getrandbits(bits)

    def token_hex(self, count: int) -> str:
        return f"{self.world.chance.getrandbits(8 * count):0{2 * count}x}"

    def gethostname(self) -> str:
        return "host"

    def getpid(self) -> int:
        actor = self.world.current
        return id(actor) if actor is None else self.world.actors.index(actor) + 1

    def pid_exists(self, pid: int) -> bool:
        """The process that held the lease is gone whenever another one asks."""
        return False

    def open_session(self, options: Any, *, on_message: Any) -> Any:
        return self.plant.open_session(options, on_message)

    def format_exc(self) -> str:
        return "traceback"

    def wait_unless_stopping(self, delay_s: float) -> bool:
        actor = self.world.current
        assert actor is not None
        self.world.sleep(delay_s, until=lambda: actor.is_stopping)
        self.plant.watch.note_wait()
        return not actor.is_stopping

    def is_stopping(self) -> bool:
        actor = self.world.current
        return actor is not None and actor.is_stopping

    def hold_lease(self, queue: BatchQueue) -> AbstractContextManager[None]:
        return self.plant.hold_lease(queue.owner)

    def log(self, event: str, **fields: Any) -> None:
        if event in NEVER_LOGGED:
            self.world.violate(f"{event} {fields}")
        elif event in ("batch_split", "message_isolated"):
            self.plant.watch.note_given_up(fields["batch_id"], fields["detail"])
        if self.world.trace is not None:
            told = {name: value for name, value in fields.items() if name in ("batch_id", "reason")}
            self.world.note(f"log: {event} {json.dumps(told) if told else ''}".rstrip())

    debug = info = warning = error = log


FAKED = Faked()


@contextmanager
def faked_modules() -> Iterator[Faked]:
    """Nothing under test sees the real clock, chance or log meanwhile."""
    changes: list[tuple[ModuleType, str]] = [
        *((module, "time") for module in TIMED),
        *((module, "random") for module in CHANCY),
        *((module, "secrets") for module in SECRET),
        *((module, "log") for module in LOGGED),
        *((ingest_bridge.lease, name) for name in ("os", "psutil", "socket")),
        (workers.runner, "traceback"),
        (ingest_bridge.bridge, "Session"),
        *((workers.runner, name) for name in ("wait_unless_stopping", "is_stopping", "Lease")),
        *((workers.runner, name) for name in ("WAIT_S", "WATCH_EVERY_S")),
    ]
    kept = [(module, name, getattr(module, name)) for module, name in changes]
    for module, name in changes:
        setattr(module, name, FAKED)
    setattr(workers.runner, "wait_unless_stopping", FAKED.wait_unless_stopping)  # noqa: B010
    setattr(workers.runner, "is_stopping", FAKED.is_stopping)  # noqa: B010
    setattr(workers.runner, "Lease", FAKED.hold_lease)  # noqa: B010
    setattr(workers.runner, "WAIT_S", WORKER_WAIT_S)  # noqa: B010
    setattr(workers.runner, "WATCH_EVERY_S", WORKER_WAIT_S)  # noqa: B010
    setattr(ingest_bridge.bridge, "Session", FAKED.open_session)  # noqa: B010
    try:
        yield FAKED
    finally:
        for module, name, value in kept:
            setattr(module, name, value)
