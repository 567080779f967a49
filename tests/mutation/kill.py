"""Run the tests that need no server on a mutant, in a fork of a process that has all loaded."""

import importlib
import os
import signal
import sys
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
TESTS = (
    "tests/unit/queue",
    "tests/unit/workers",
    "tests/unit/test_ledger.py",
    "tests/unit/bridge",
)
SEEDS = range(400)
TIMEOUT_S = 90


def warm_up() -> None:
    """Load what every child needs, and see that all tests pass as the code is."""
    if run_tests():
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
            status = int(run_tests())
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


def run_tests() -> bool:
    """Whether a test fails."""
    with faked_modules():
        wiring = Wiring()
        if any(run(seed, wiring).violation for seed in SEEDS):
            return True
    options = ["-x", "-q", "-p", "no:cacheprovider", "-p", "no:randomly", "--no-header"]
    present = [path for path in TESTS if (ROOT / path).exists()]
    sys.argv = ["pytest"]
    return pytest.main([*options, *(str(ROOT / path) for path in present)]) != 0
