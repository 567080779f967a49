"""Run the tests that need no server on a mutant, in a fork of a process that has all loaded."""

import importlib
import os
import signal
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
    "telemetry/store/ledger.py",
)
SOCKET_TESTS = tuple(f"tests/unit/bridge/test_{name}.py" for name in ("bulk", "session", "reading"))
TESTS = (
    "tests/unit/test_ledger.py",
    "tests/unit/queue",
    "tests/unit/workers",
    *(f"tests/unit/bridge/test_{name}.py" for name in ("collector", "sender", "backpressure")),
    *(f"tests/unit/bridge/test_{name}.py" for name in ("bridge", "bridge_rounds", "bridge_life")),
)
# The simulation has a session of its own: what reads sockets is for the tests that do.
READS_SOCKETS = ("ingest_bridge/session.py", "ingest_bridge/bulk.py")
SEEDS = range(200)
TIMEOUT_S = 90


def warm_up() -> None:
    """Load what every child needs, and see that all tests pass as the code is."""
    if run_tests(SOCKET_TESTS) or simulate() or run_tests(TESTS):
        raise SystemExit("the tests fail without a mutant")


def is_killed(mutant: Mutant) -> bool:
    """Whether some test fails, or does not end, with the mutant in the code."""
    child = os.fork()
    if not child:
        signal.alarm(TIMEOUT_S)
        silence = os.open(os.devnull, os.O_WRONLY)
        os.dup2(silence, 1)
        os.dup2(silence, 2)
        status = 1
        try:
            plant(mutant)
            if mutant.path in READS_SOCKETS:
                status = int(run_tests(SOCKET_TESTS))
            else:
                status = int(run_tests(TESTS) or simulate())
        finally:
            os._exit(status)
    _, status = os.waitpid(child, 0)
    return status != 0


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
    return getattr(found, "__wrapped__", found)


def simulate() -> bool:
    """Whether the simulation finds something."""
    with faked_modules():
        wiring = Wiring()
        return any(run(seed, wiring).violation for seed in SEEDS)


def run_tests(paths: tuple[str, ...]) -> bool:
    """Whether a test fails."""
    options = ["-x", "-q", "-p", "no:cacheprovider", "--no-header"]
    return pytest.main([*options, *(str(ROOT / path) for path in paths)]) != 0
