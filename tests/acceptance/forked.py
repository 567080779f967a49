"""Processes of a bench and of chaos that start in half of the time."""

import subprocess
import sys
from multiprocessing.context import ForkServerProcess
from pathlib import Path

from compose.local.layout import START_SCRIPTS
from tests import forks
from tests.chaos.supervised import Supervised


class Forked(Supervised):
    """A supervised process that is forked."""

    def _start(self) -> None:
        self._log.touch()
        arguments = read_arguments(self._argv, self.environ)
        self._running = Running(forks.start(arguments, self.environ, stdout=self._log))
        self.starts += 1
        self._ended_at = 0.0

    def _end_group(self) -> None:
        super()._end_group()
        if self._running is not None:
            self._running.kill()  # it may not have made its group yet


class Running:
    """A forked process, asked as one of `subprocess`."""

    def __init__(self, process: ForkServerProcess) -> None:
        self._process = process
        self.pid = process.pid
        self.kill = process.kill

    def poll(self) -> int | None:
        return None if self._process.is_alive() else self._process.exitcode

    def wait(self, timeout_s: float) -> int:
        self._process.join(timeout_s)
        if self._process.exitcode is None:
            raise subprocess.TimeoutExpired(str(self.pid), timeout_s)
        return self._process.exitcode


def read_arguments(argv: list[str], environ: dict[str, str]) -> list[str]:
    """What follows `python`. A start script says what it would become, instead of becoming it."""
    if Path(argv[0]).parent == START_SCRIPTS:
        script = Path(argv[0]).read_text(encoding="utf-8").replace("exec ", "printf '%s\\0' ")
        done = subprocess.run(["sh", "-c", script], env=environ, check=True, capture_output=True)
        argv = done.stdout.decode().split("\0")[:-1]
    return argv[1:] if Path(argv[0]).name.startswith("python") else ["-m", *argv]


def run_chaos() -> int:
    """Be `python -m tests.chaos`, with forked processes."""
    from tests.chaos import __main__ as command
    from tests.chaos import stack

    stack.Supervised = Forked
    return command.main(sys.argv[1:])
