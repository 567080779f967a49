"""Start the product's processes as an operator would, and end them whatever happens."""

import os
import signal
import time
from collections.abc import Callable
from contextlib import suppress
from multiprocessing.context import ForkServerProcess
from pathlib import Path

import psutil

from tests import forks

ROOT = forks.ROOT


def wait_until(
    condition: Callable[[], object],
    *,
    timeout_s: float,
    what: str | Callable[[], str],
    every_s: float = 0.05,
) -> None:
    """Return as soon as the condition holds; fail with words when it does not in time.

    `what` may be a function, which is asked at the failure: it can say how things are by then.
    """
    give_up_at = time.monotonic() + timeout_s
    while not condition():
        if time.monotonic() >= give_up_at:
            words = what if isinstance(what, str) else what()
            raise AssertionError(f"not within {timeout_s:g} s: {words}")
        time.sleep(every_s)


class Process:
    """One process of the product, with its log."""

    def __init__(self, name: str, arguments: list[str], environ: dict[str, str], log: Path) -> None:
        self.name = name
        self.log_path = log
        self._arguments = arguments
        self._environ = environ
        self._running: ForkServerProcess | None = None

    def start(self) -> None:
        """Start it; output is added to the log."""
        self.log_path.touch()
        self._running = forks.start(self._arguments, self._environ, stdout=self.log_path)

    @property
    def pid(self) -> int:
        """The process id of the parent."""
        assert self._running is not None
        assert self._running.pid is not None
        return self._running.pid

    def children(self) -> list[int]:
        """Process ids of its children."""
        return [child.pid for child in psutil.Process(self.pid).children(recursive=True)]

    @property
    def is_running(self) -> bool:
        """Whether it has not ended."""
        return self._running is not None and self._running.is_alive()

    def wait(self, *, timeout_s: float) -> int:
        """Its exit code."""
        assert self._running is not None
        self._running.join(timeout_s)
        assert self._running.exitcode is not None, f"{self.name} runs after {timeout_s:g} s"
        return self._running.exitcode

    def ask_to_stop(self) -> None:
        """SIGTERM, if it runs."""
        if self.is_running:
            os.kill(self.pid, signal.SIGTERM)

    def stop(self, *, timeout_s: float = 20) -> None:
        """End it as a supervisor does: SIGTERM, and SIGKILL to what is left."""
        if self._running is None:
            return
        self.ask_to_stop()
        self._running.join(timeout_s)
        self.kill()

    def kill(self) -> None:
        """SIGKILL the process and everything that it started."""
        assert self._running is not None
        with suppress(ProcessLookupError):
            os.killpg(self.pid, signal.SIGKILL)
        self._running.kill()  # it may not have made its group yet
        self._running.join(10)

    def read_log(self) -> str:
        """What it has said so far."""
        return self.log_path.read_text(encoding="utf-8", errors="replace")
