"""Start the product's processes as an operator would, and end them whatever happens."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import psutil

ROOT = Path(__file__).parents[2]


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
        self._running: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start it; output is added to the log."""
        with self.log_path.open("ab") as log:
            self._running = subprocess.Popen(
                [sys.executable, *self._arguments],
                cwd=ROOT,
                env=self._environ,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )

    @property
    def pid(self) -> int:
        """The process id of the parent."""
        assert self._running is not None
        return self._running.pid

    def children(self) -> list[int]:
        """Process ids of its children."""
        return [child.pid for child in psutil.Process(self.pid).children(recursive=True)]

    def is_running(self) -> bool:
        """Whether it has not ended."""
        return self._running is not None and self._running.poll() is None

    def wait(self, *, timeout_s: float) -> int:
        """Its exit code."""
        assert self._running is not None
        return self._running.wait(timeout_s)

    def ask_to_stop(self) -> None:
        """SIGTERM, if it runs."""
        if self._running is not None and self._running.poll() is None:
            self._running.send_signal(signal.SIGTERM)

    def stop(self, *, timeout_s: float = 20) -> None:
        """End it as a supervisor does: SIGTERM, and SIGKILL to what is left."""
        if self._running is None:
            return
        self.ask_to_stop()
        with suppress(subprocess.TimeoutExpired):
            self._running.wait(timeout_s)
        self.kill()

    def kill(self) -> None:
        """SIGKILL the process and everything that it started."""
        assert self._running is not None
        with suppress(ProcessLookupError):
            os.killpg(self._running.pid, signal.SIGKILL)
        self._running.wait(10)

    def read_log(self) -> str:
        """What it has said so far."""
        return self.log_path.read_text(encoding="utf-8", errors="replace")
