"""Faults planted on purpose: what the simulation must find, or it is worth nothing.

Each is a substitution in the source of a function or in a Lua script; it fails loudly when the
text that it replaces is no longer there.
"""

import importlib
import inspect
import re
import textwrap
from collections.abc import Iterable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.simulation.plant import Wiring
from tests.simulation.run import Outcome, run

LUA = Path(__file__).parents[2] / "telemetry" / "queue" / "lua"


@dataclass(frozen=True)
class Fault:
    """`where` is `module:function` or the name of a script; `old` becomes `new` in it."""

    name: str
    where: str
    old: str
    new: str
    beside: "Fault | None" = None  # what is planted as well


BRIDGE, SENDER = "ingest_bridge.bridge:Bridge", "ingest_bridge.sender:Sender"
RUNNER, COLLECTOR = "workers.runner:BatchRunner", "ingest_bridge.collector:Collector"
REQUEUE, QUEUE = "telemetry.queue.requeue:requeue_batches", "telemetry.queue.batches:BatchQueue"

LEDGER_BY_ID_ALONE = Fault(
    "the ledger knows only a batch's own id",
    "tests.simulation.memory_store:Tables.insert",
    "if line_id.startswith(batch.id) or batch.id.startswith(line_id)",
    "if line_id == batch.id",
)

NO_SAFETY_NET = Fault(
    "the safety net offers nothing again",
    REQUEUE,
    "for start in range(0, len(stale), LIMIT):",
    "for start in ():",
)

FAULTS = (
    Fault(
        "fault 1 as it was: nobody asks the ledger, and it knows only a batch's own id",
        f"{RUNNER}._split",
        "second_part = self._store.split(batch, second_part=second_part)",
        "pass",
        beside=LEDGER_BY_ID_ALONE,
    ),
    Fault(
        "an acknowledgement is lost after a retry",
        f"{SENDER}.step",
        "return outgoing.collected",
        "return None if outgoing.failures else outgoing.collected",
    ),
    Fault(
        "messages are acknowledged before they are written",
        f"{BRIDGE}._send",
        "self._sender.start(self._collector.flush(now_s=now_s))",
        "c = self._collector.flush(now_s=now_s); self._session.acknowledge(c.packet_ids); "
        "c.packet_ids = []; self._sender.start(c)",
    ),
    Fault(
        "acknowledgements of another generation are sent",
        f"{BRIDGE}._send",
        "sent.generation == self._collector.generation and ",
        "",
    ),
    Fault(
        "a new connection is no new generation",
        f"{COLLECTOR}.start_generation",
        "self._generation += 1",
        "pass",
    ),
    Fault(
        "what a lost connection brought is kept",
        f"{COLLECTOR}.start_generation",
        "self._clear()",
        "pass",
    ),
    Fault(
        "only a connection that was ready ends a generation",
        f"{BRIDGE}._watch_connection",
        "if self._is_connected and not self._session.is_open:",
        "if self._was_ready and not self._session.is_open:",
    ),
    Fault(
        "a retry gets a new id",
        f"{SENDER}.step",
        "outgoing.failures += 1",
        "outgoing.failures += 1; outgoing.id = new_id()",
    ),
    Fault(
        "a batch counts as written before it is",
        f"{SENDER}._send",
        "if outgoing.written is None:",
        "if outgoing.written is None:\n        outgoing.written = Written(True, False, 0.0)",
    ),
    Fault(
        "no worker is called for a batch that is written",
        f"{SENDER}._send",
        "if outgoing.written.needs_worker:",
        "if False:",
        beside=Fault(
            "nobody watches the queue",
            f"{QUEUE}.watch",
            "if _needs_worker(*waiting):",
            "if False:",
        ),
    ),
    Fault(
        "a written batch is in no list",
        "put",
        "redis.call('LPUSH', KEYS[5], ARGV[1])",
        "",
        beside=NO_SAFETY_NET,
    ),
    Fault("a repeated write counts again", "put", "if last ~= ARGV[1] then", "if true then"),
    Fault(
        "a written batch is not in the pending index",
        "put",
        "redis.call('ZADD', KEYS[2], ARGV[3] / 1000000, ARGV[1])",
        "",
    ),
    Fault(
        "a finished batch stays in the pending index",
        "finish",
        "redis.call('ZREM', KEYS[1], id) == 1",
        "redis.call('ZSCORE', KEYS[1], id)",
    ),
    Fault(
        "a batch is finished before it is stored",
        f"{RUNNER}._store_batches",
        "self._store.store(list(",
        "self._queue.finish(*[b.id for b in batches])\n    self._store.store(list(",
    ),
    Fault(
        "a worker that waits does not say so",
        f"{RUNNER}._wait",
        "self._queue.touch(batch.id)",
        "pass",
    ),
    Fault(
        "what a living worker holds is taken over",
        "watch",
        "'-inf', redis.call('TIME')[1]",
        "'-inf', '+inf'",
    ),
    Fault(
        "what a dead worker held is never taken over",
        "watch",
        "redis.call('RPUSH', KEYS[2], id)",
        "",
        beside=NO_SAFETY_NET,
    ),
    Fault(
        "what a worker held when a call failed stays with it",
        "claim",
        "redis.call('RPUSH', KEYS[1], id)",
        "",
        beside=NO_SAFETY_NET,
    ),
    Fault(
        "who lost its claim gives the batch back",
        "release",
        "redis.call('LREM', KEYS[2], 0, ARGV[1]) == 0 or",
        "redis.call('LREM', KEYS[2], 0, ARGV[1]) < 0 or",
    ),
    Fault(
        "a start beside others counts as one alone",
        "claim",
        "if #found == 1 then",
        "if #found > 0 then",
    ),
    Fault(
        "a batch that ended its worker is stored beside others again",
        "claim",
        "(tonumber(fields[5]) > 0\n    or fields[7] == '1' or fields[8])",
        "false",
    ),
    Fault(
        "a start that was given back counts",
        "release",
        "redis.call('HINCRBY', KEYS[1], 'attempts', -1)",
        "",
    ),
    Fault("starts are not counted", "claim", "redis.call('HINCRBY', key, 'attempts', 1)", "1"),
    Fault(
        "a batch is split without asking the ledger",
        f"{RUNNER}._split",
        "second_part = self._store.split(batch, second_part=second_part)",
        "pass",
    ),
    Fault(
        "Redis knows of a split before the ledger",
        f"{RUNNER}._split",
        "second_part = self._store.split(batch, second_part=second_part)",
        "self._queue.split(batch, messages, second_part=second_part)\n"
        "        second_part = self._store.split(batch, second_part=second_part)",
    ),
    Fault(
        "a batch is split in more than one step",
        f"{QUEUE}.split",
        'self._scripts["split"](',
        "1\n    self.finish(batch.id)\n    for part_id, part in parts_by_id.items():\n"
        "        self.write(part_id, pack_messages(part), count=len(part), source=batch.source,"
        " producer=part_id, received_us=batch.received_us)\n    (lambda **_: None)(",
    ),
    Fault(
        "the second half of a split is forgotten",
        "split",
        "for part = 0, #KEYS - 7 do",
        "for part = 0, 0 do",
    ),
    Fault(
        "excess is forgotten when the rest of its batch is stored",
        f"{RUNNER}._store_batches",
        "self._queue.split(",
        "self._finish(part.whole)\n            (lambda *_, **__: None)(",
    ),
    Fault(
        "what is stored of a batch that holds excess counts as pending",
        "split",
        "redis.call('HINCRBY', KEYS[3], 'pending_messages', -stored)",
        "",
    ),
    Fault(
        "the ledger does not know of the excess in a batch whose rest it has",
        "tests.simulation.memory_store:MemoryStore.store",
        "self.tables.commit(one.whole, Counts(), list(one.second_part))",
        "pass",
    ),
    Fault(
        "excess is stored as the first part of its batch",
        "tests.simulation.memory_store:MemoryStore.store",
        "self.tables.commit(one.whole, Counts(), list(one.second_part))",
        "self.tables.commit(one.whole, Counts(), [0])",
    ),
    Fault(
        "who meets a split finishes the batch",
        f"{RUNNER}._run_alone",
        "self._queue.split(",
        "self._finish(batch)\n            (lambda *_, **__: None)(",
    ),
    Fault(
        "what was stored before is not finished",
        f"{RUNNER}._run_alone",
        "self._finish(batch)",
        "self._queue.hold(batch.id)",
    ),
    Fault(
        "a fault that passes splits the batch",
        f"{RUNNER}._run_alone",
        "if is_transient(error):",
        "if False:",
    ),
    Fault("the safety net does not see what is ready", "offer", "note(KEYS[4])", ""),
    Fault(
        "the safety net does not see what workers hold",
        "offer",
        "note(ARGV[1] .. owner)",
        "",
    ),
    Fault(
        "what is held is never offered again",
        REQUEUE,
        "if held:",
        "if False:",
    ),
    Fault(
        "a held batch is in no index",
        "hold",
        "redis.call('ZADD', KEYS[3], received_at, ARGV[1])",
        "",
    ),
    Fault(
        "a batch that was held does not count as pending again",
        "claim",
        "redis.call('HINCRBY', KEYS[8], 'pending_messages', fields[3])",
        "",
    ),
    Fault(
        "the ledger takes a batch twice",
        "tests.simulation.memory_store:Tables.insert",
        "if batch.id in line or any(part is None for part in line.values()):",
        "if False:",
    ),
)


@contextmanager
def planted(fault: Fault) -> Iterator[Wiring]:
    """The fault is in the code meanwhile."""
    with ExitStack() as stack:
        if fault.beside is not None:
            stack.enter_context(_changed_function(fault.beside))
        if ":" in fault.where:
            stack.enter_context(_changed_function(fault))
        wiring = Wiring()
        if ":" not in fault.where:
            text = (LUA / f"{fault.where}.lua").read_text(encoding="utf-8")
            changed: Any = wiring.redis.register_script(_change(text, fault))
            wiring.queue._scripts[fault.where] = changed
        yield wiring


@contextmanager
def _changed_function(fault: Fault) -> Iterator[None]:
    module_name, _, path = fault.where.partition(":")
    module: Any = importlib.import_module(module_name)
    *owners, name = path.split(".")
    owner = getattr(module, owners[0]) if owners else module
    kept = getattr(owner, name)
    found: dict[str, Any] = {}
    source = textwrap.dedent(inspect.getsource(kept))
    exec(compile(_change(source, fault), fault.where, "exec"), vars(module), found)
    setattr(owner, name, found[name])
    try:
        yield
    finally:
        setattr(owner, name, kept)


def _change(source: str, fault: Fault) -> str:
    if source.count(fault.old) != 1:
        raise ValueError(f"{fault.name}: {fault.where} has not once {fault.old!r}")
    return source.replace(fault.old, fault.new)


BROKEN = re.compile(r"raised (NameError|AttributeError|TypeError|SyntaxError|UnboundLocalError)\b")


def find(fault: Fault, *, seeds: Iterable[int]) -> Outcome | None:
    """The first run that shows the fault. Inside `faked_modules`. Raises `ValueError` when what was
    planted does not even run."""
    with planted(fault) as wiring:
        for seed in seeds:
            outcome = run(seed, wiring)
            if BROKEN.search(outcome.violation):
                raise ValueError(f"{fault.name}: {outcome.violation}")
            if outcome.violation:
                return outcome
    return None
