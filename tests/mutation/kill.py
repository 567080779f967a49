"""Run the tests that need no server on a mutant, in a fork of a process that has all loaded."""

import importlib
import os
import signal
from pathlib import Path
from types import FunctionType
from typing import Any

import pytest

from tests.mutation.mutants import ROOT, Mutant
from tests.simulation.faked import faked_modules
from tests.simulation.plant import Wiring
from tests.simulation.run import run

TARGETS = (
    *(f"ingest_bridge/{name}.py" for name in ("bridge", "collector", "sender", "session")),
    *(f"ingest_bridge/{name}.py" for name in ("bulk", "backpressure")),
    *sorted(str(path.relative_to(ROOT)) for path in (ROOT / "telemetry/queue").glob("[a-z]*.py")),
    *(f"workers/{name}.py" for name in ("runner", "guard", "pool_guard")),
    "telemetry/store/ingest/ledger.py",
)
BRIDGE = "tests/unit/bridge/test_"
SOCKET_TESTS = tuple(f"{BRIDGE}{name}.py" for name in ("session", "keep_alive", "bulk", "reading"))
BRIDGE_TESTS = (
    *(f"{BRIDGE}bridge{part}.py" for part in ("", "_rounds", "_reports", "_life")),
    *(f"{BRIDGE}{name}.py" for name in ("collector", "sender", "backpressure")),
)
TESTS = ("tests/unit/store/test_ledger.py", "tests/unit/queue", "tests/unit/workers")
# The simulation has a session of its own: what reads sockets is for the tests that do.
READS_SOCKETS = ("ingest_bridge/session.py", "ingest_bridge/bulk.py")
SEEDS = range(200)
TIMEOUT_S = 90
CPU_S = 8  # what goes round for ever is noticed sooner than by the clock of a busy machine


def warm_up() -> None:
    """Load what every child needs, and see that all tests pass as the code is."""
    if run_tests(SOCKET_TESTS) or run_tests(BRIDGE_TESTS + TESTS) or simulate():
        raise SystemExit("the tests fail without a mutant")


def is_killed(mutant: Mutant) -> bool:
    """Whether some test fails, or does not end, with the mutant in the code."""
    child = os.fork()
    if not child:
        signal.alarm(TIMEOUT_S)
        signal.setitimer(signal.ITIMER_PROF, CPU_S)
        silence = os.open(os.devnull, os.O_WRONLY)
        os.dup2(silence, 1)
        os.dup2(silence, 2)
        status = 1
        try:
            plant(mutant)
            status = int(is_noticed(mutant))
        finally:
            os._exit(status)
    _, status = os.waitpid(child, 0)
    return status != 0


def is_noticed(mutant: Mutant) -> bool:
    """Whether the tests of the changed code fail, or the simulation finds something."""
    reads_sockets = mutant.path in READS_SOCKETS
    of_bridge = SOCKET_TESTS if reads_sockets else BRIDGE_TESTS
    tests = of_bridge if mutant.path.startswith("ingest_bridge/") else TESTS
    likely = f"/test_{Path(mutant.path).stem}.py"
    in_order = sorted(tests, key=lambda path: not path.endswith(likely))
    return run_tests(tuple(in_order)) or (not reads_sockets and simulate())


def plant(mutant: Mutant) -> None:
    """Put the changed code into the function that is loaded: all who have it see the change."""
    find_function(mutant).__code__ = mutant.code


def find_function(mutant: Mutant) -> FunctionType:
    """The function of a mutant as it is loaded."""
    found: Any = importlib.import_module(mutant.path.removesuffix(".py").replace("/", "."))
    for name in mutant.function.split("."):
        found = vars(found)[name] if isinstance(found, type) else getattr(found, name)
    if isinstance(found, property):
        found = found.fget
    function: FunctionType = getattr(found, "__wrapped__", found)
    return function


def simulate() -> bool:
    """Whether the simulation finds something."""
    with faked_modules():
        wiring = Wiring()
        return any(run(seed, wiring).violation for seed in SEEDS)


def run_tests(paths: tuple[str, ...]) -> bool:
    """Whether a test fails."""
    options = ["-x", "-q", "-p", "no:cacheprovider", "--no-header"]
    return pytest.main([*options, *(str(ROOT / path) for path in paths)]) != 0
