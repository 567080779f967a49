"""What `make up` does after the start: wait, show what changes, and stop everything at the end."""

import os
import signal
import time
from types import FrameType

from compose.local.layout import Layout, StackError
from compose.local.processes import is_alive
from compose.local.progress import say
from compose.local.supervisor.supervision import Supervision


class Interrupted(BaseException):
    """A signal asks to stop everything."""


def install_handlers() -> None:
    """Let Ctrl-C, SIGTERM and SIGHUP raise `Interrupted`, once."""
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, _interrupt)


def ignore_signals() -> None:
    """Stopping is under way: a second Ctrl-C must not cut it short."""
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)


def watch(layout: Layout) -> None:
    """Show what supervisor logs until a signal comes, the stack stops, or make itself is gone."""
    supervision = Supervision(layout)
    supervisor, parent = supervision.read_pid(), os.getppid()
    with supervision.log.open(encoding="utf-8", errors="replace") as log:
        log.seek(0, os.SEEK_END)
        while is_alive(supervisor):
            if os.getppid() != parent:
                say("make is gone.")
                return
            for line in log:
                say(line.rstrip())
            time.sleep(1)
    if supervision.socket.exists():  # one that ends in order removes it
        raise StackError(f"supervisor ended. Log: {supervision.log}")
    say("The stack was stopped.")


def _interrupt(number: int, frame: FrameType | None) -> None:
    ignore_signals()
    raise Interrupted(signal.Signals(number).name)
