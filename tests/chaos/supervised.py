"""A process of the product under a supervisor."""

import os
import signal
import subprocess
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

import psutil

from compose.local.layout import REPOSITORY

RESTART_AFTER_S = 0.5
STOP_S = 20.0


class Supervised:
    """A process of the product. It is started again when it ends, unless it is held back."""

    def __init__(self, name: str, argv: list[str], environ: Mapping[str, str], log: Path) -> None:
        self.name = name
        self.starts = 0
        self.is_wanted = False
        self._argv = argv
        self.environ = dict(environ)
        self._log = log
        self._running: subprocess.Popen[bytes] | None = None
        self._ended_at = 0.0

    @property
    def pid(self) -> int:
        """Its process id. Raises `ProcessLookupError` when it does not run."""
        if self._running is None or self._running.poll() is not None:
            raise ProcessLookupError(self.name)
        return self._running.pid

    @property
    def is_running(self) -> bool:
        """Whether it runs."""
        return self._running is not None and self._running.poll() is None

    def look(self, *, now_s: float) -> None:
        """Start it if it is wanted and ended some time ago."""
        if self.is_running or not self.is_wanted:
            return
        if self._running is not None and not self._ended_at:
            self._ended_at = now_s
        if now_s - self._ended_at >= RESTART_AFTER_S:
            self._start()

    def ask_to_stop(self) -> None:
        """SIGTERM it, and hold it back. Its children are its own to end, as in the local stack, in
        containers and with systemd."""
        self.is_wanted = False
        if self.is_running:
            with suppress(ProcessLookupError):
                os.kill(self.pid, signal.SIGTERM)
            self._signal(signal.SIGCONT)

    def stop(self) -> None:
        """End it as a supervisor does, and hold it back."""
        self.ask_to_stop()
        if self.is_running:
            with suppress(subprocess.TimeoutExpired):
                self._running.wait(STOP_S)  # type: ignore[union-attr]
        self.kill()

    def kill(self) -> None:
        """SIGKILL it with everything that it started."""
        self._end_group()
        if self._running is not None:
            self._running.wait(10)

    def read_log(self) -> str:
        """What it has said so far."""
        return self._log.read_text(encoding="utf-8", errors="replace")

    def children(self) -> list[int]:
        """Process ids of its children, oldest first."""
        return [child.pid for child in psutil.Process(self.pid).children(recursive=True)]

    def _start(self) -> None:
        with self._log.open("ab") as log:
            self._running = subprocess.Popen(
                self._argv,
                cwd=REPOSITORY,
                env=self.environ,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        self.starts += 1
        self._ended_at = 0.0

    def _signal(self, number: signal.Signals) -> None:
        if self._running is not None:
            with suppress(ProcessLookupError):
                os.killpg(self._running.pid, number)

    def _end_group(self) -> None:
        self._signal(signal.SIGKILL)
