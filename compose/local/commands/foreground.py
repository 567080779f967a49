"""What `make up` does after the start: wait, show what changes, and stop everything at the end."""

import os
import signal
import time
from types import FrameType

from compose.local.layout import Layout, StackError
from compose.local.progress import say, say_error
from compose.local.supervisor.supervision import Supervision

NOTED = ("RUNNING", "EXITED", "BACKOFF", "FATAL", "STOPPED")


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
    """Show each change of a program's state until a signal comes or make itself is gone."""
    supervision = Supervision(layout)
    parent = os.getppid()
    known = supervision.list_states()
    while os.getppid() == parent:
        time.sleep(1)
        try:
            states = supervision.list_states()
        except OSError as error:
            if not supervision.socket.exists():  # one that ends in order removes it
                say("The stack was stopped.")
                return
            raise StackError(f"supervisor ended: {error}. Log: {supervision.log}") from error
        for name, state in states.items():
            before = known.get(name)
            if before and (state.state, state.pid) != (before.state, before.pid):
                describe_change(layout, name=name, state=state.state, exit_status=state.exit_status)
        known = states
    say("make is gone.")


def describe_change(layout: Layout, *, name: str, state: str, exit_status: int) -> None:
    """One line for a change that an operator wants to know."""
    stamp = time.strftime("%H:%M:%S", time.gmtime())
    if state == "FATAL":
        say_error(f"{stamp} {name} gave up. Log: {layout.logs / name}.log")
    elif state in ("EXITED", "BACKOFF"):
        say(f"{stamp} {name} ended (exit code {exit_status}), is started again")
    elif state in NOTED:
        say(f"{stamp} {name} {state.lower()}")


def _interrupt(number: int, frame: FrameType | None) -> None:
    ignore_signals()
    raise Interrupted(signal.Signals(number).name)
