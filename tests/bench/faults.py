"""PostgreSQL killed for some seconds, or bridge and pool killed twice, while messages arrive.

They come from a backlog in the broker, or at a rate until the last start. What is missing, what is
stored twice, whether the delivery report balances, and how long after the last start the last
message was stored.
"""

import re
import time
from collections.abc import Callable
from typing import Any

import psycopg
from msgspec import Struct
from redis import Redis

from compose.local.layout import PYTHON, StackError
from telemetry.queue.batches import BatchQueue
from telemetry.store.db.connection import open_connection
from telemetry.store.operations.delivery_report import DeliveryReport, read_report
from tests.bench.drain import READINGS
from tests.bench.flow import GATEWAYS
from tests.bench.results import Run
from tests.bench.rig import Rig, wait_until
from tests.chaos.supervised import Supervised

POSTGRES, CONSUMERS = "postgres", "consumers"
FAULTS = (POSTGRES, CONSUMERS)
KILLS = 2
LONGEST_LOAD_S = 3600
STORED = "SELECT coalesce(sum(messages_stored), 0) FROM batch"

Say = Callable[[str], None]


class Trial(Struct, frozen=True):
    """What is sent (`count` messages in a backlog, or `rate` a second), when the fault comes
    (`after_s` after the first stored message, and again after each start), how long is waited."""

    count: int = 200_000
    rate: float | None = None
    after_s: float = 1.0
    down_s: float = 5.0
    has_beat: bool = True
    timeout_s: float = 120.0
    concurrency: int = 2


class Consumers:
    """Bridge and pool, and with `has_beat` also what sends again what got stuck."""

    def __init__(self, rig: Rig, *, has_beat: bool) -> None:
        if has_beat:
            rig.start("worker-maintenance")
            rig.start("beat")
        self.processes = [rig.start("bridge"), rig.start("worker-ingest")]

    def kill(self) -> None:
        """SIGKILL both at once."""
        for process in self.processes:
            process.kill()

    def restart(self) -> None:
        """As a supervisor does, half a second after they ended."""
        wait_until(self._are_running, timeout_s=30, what="bridge and pool run again")

    def stop(self) -> None:
        """End them in an orderly way."""
        for process in self.processes:
            process.stop()

    def _are_running(self) -> bool:
        for process in self.processes:
            process.look(now_s=time.monotonic())
        return all(process.is_running for process in self.processes)


def run_faults(trial: Trial, *, faults: list[str], say: Say) -> Run:
    """Each fault on fresh servers; the figures. Raises `StackError`."""
    run: Run = {}
    for fault in faults:
        with Rig(concurrency=trial.concurrency) as rig:
            rig.simulate(count=1, gateways=GATEWAYS)  # registers the fleet; nobody subscribes yet
            found = try_fault(rig, trial, fault=fault, say=say)
        run |= {f"{fault}: {name}": value for name, value in found.items()}
    return run


def try_fault(rig: Rig, trial: Trial, *, fault: str, say: Say) -> Run:
    """One fault on servers that know the fleet; the figures. Raises `StackError`."""
    before, stored_before = _read_books(rig), _count_stored(rig)
    if trial.rate is None:
        _fill_broker(rig, count=trial.count)
    consumers = Consumers(rig, has_beat=trial.has_beat)
    rig.wait_for_bridge("bridge-1")
    load = None if trial.rate is None else _start_load(rig, rate=trial.rate)
    started_s = _cause(rig, consumers, trial, fault=fault, say=say)
    sent = trial.count if load is None else _stop_load(load)
    stored, last_s = _wait_for_last(rig, count=stored_before + sent, timeout_s=trial.timeout_s)
    say(f"{fault}: {stored - stored_before:,} of {sent:,} messages stored")
    consumers.stop()
    return {
        **_judge(before, _read_books(rig), sent=sent),
        "last message stored, s after the last start": max(0.0, last_s - started_s),
    }


def _fill_broker(rig: Rig, *, count: int) -> None:
    """Let so many messages wait in the session of the bridge."""
    bridge = rig.start("bridge")
    rig.wait_for_bridge("bridge-1")
    bridge.stop()
    rig.simulate(count=count, gateways=GATEWAYS)


def _cause(rig: Rig, consumers: Consumers, trial: Trial, *, fault: str, say: Say) -> float:
    """Kill and start again; the instant of the last start."""
    started_s = time.monotonic()
    for number in range(1 if fault == POSTGRES else KILLS):
        stored = _wait_for_more(rig, trial)
        if trial.rate is None and stored >= trial.count:
            raise StackError(f"{stored:,} messages were stored before kill {number + 1}: all")
        say(f"{fault}: kill {number + 1}")
        if fault == POSTGRES:
            rig.servers.postgres.kill()
            time.sleep(trial.down_s)
            started_s = time.monotonic()
            rig.servers.postgres.start()
        else:
            consumers.kill()
            consumers.restart()
            started_s = time.monotonic()
    return started_s


def _wait_for_more(rig: Rig, trial: Trial) -> int:
    """Until messages are being stored, and some time longer; how many are."""
    stored = _count_stored(rig)
    wait_until(lambda: _count_stored(rig) > stored, timeout_s=60, what="messages are stored")
    time.sleep(trial.after_s)
    return _count_stored(rig)


def _wait_for_last(rig: Rig, *, count: int, timeout_s: float) -> tuple[int, float]:
    """How many messages are stored when all are, or the time is over; when the last one was."""
    stored, last_s = 0, time.monotonic()
    give_up_s = last_s + timeout_s
    with psycopg.connect(rig.environ["DATABASE_URL"], autocommit=True) as connection:
        while stored < count and time.monotonic() < give_up_s:
            row = connection.execute(STORED).fetchone()
            found = int(row[0]) if row else 0
            if found != stored:
                stored, last_s = found, time.monotonic()
            time.sleep(0.05)
    return stored, last_s


def _count_stored(rig: Rig) -> int:
    with psycopg.connect(rig.environ["DATABASE_URL"]) as connection:
        row = connection.execute(STORED).fetchone()
    return int(row[0]) if row else 0


def _read_books(rig: Rig) -> DeliveryReport:
    with (
        Redis.from_url(rig.environ["REDIS_URL"]) as redis,
        open_connection(
            rig.environ["DATABASE_URL"], name="bench", statement_timeout_s=600
        ) as connection,
    ):
        return read_report(connection, BatchQueue(redis), count_rows=True)


def _judge(before: DeliveryReport, report: DeliveryReport, *, sent: int) -> Run:
    """What the books and the rows say of messages that are all good and all different."""
    rows = (report.rows or 0) - (before.rows or 0)
    missing = (sent - report.in_flight) * READINGS - rows
    return {
        "messages": float(sent),
        "lost, readings": float(max(0, missing)),
        "stored twice, readings": float(max(0, -missing)),
        "difference of the delivery report": float(
            abs(report.difference) + abs(report.rows_difference or 0)
        ),
        "still not stored at the end, messages": float(report.in_flight),
        "delivered again by the broker, messages": float(report.duplicate - before.duplicate),
    }


def _start_load(rig: Rig, *, rate: float) -> Supervised:
    arguments = ["--rate", str(rate), "--seconds", str(LONGEST_LOAD_S), "--gateways", str(GATEWAYS)]
    return rig.launch("load", [str(PYTHON), "-m", "tests.bench.load", *arguments])


def _stop_load(load: Supervised) -> int:
    """Let the generator wait for its last answers; how many it got. Raises `StackError`."""
    load.ask_to_stop()
    wait_until(lambda: not load.is_running, timeout_s=60, what="the generator has its answers")
    found: list[Any] = re.findall(r"^(\d+) [\d.]+$", load.read_log(), re.MULTILINE)
    if not found:
        raise StackError(f"the generator sent nothing: {load.read_log()[-2000:]}")
    return int(found[-1])
