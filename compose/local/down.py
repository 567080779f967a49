"""`make down`: stop everything and prove that nothing is left."""

import os
import signal
import time

from compose.local.folderlock import read_holder
from compose.local.layout import Layout, StackError
from compose.local.processes import (
    describe_process,
    end_stack_processes,
    find_stack_processes,
    is_alive,
    wait_until_gone,
)
from compose.local.progress import say, step
from compose.local.request import SERVER_PORTS
from compose.local.stack import find_place
from compose.local.supervision import Supervision

# The programs that feed the pipeline stop first, the servers last.
FIRST = ("simulator",)
STOPPED = ("STOPPED", "EXITED", "FATAL", "UNKNOWN")
LONGEST_STOP_S = 90.0


def show_down(layout: Layout) -> None:
    """Stop the stack and say so."""
    bring_down(layout)
    say("Stopped; no process is left. Data is kept (make clean deletes it).")


def bring_down(layout: Layout, *, interrupt: bool = True) -> None:
    """Stop the stack. Repeatable; raises `StackError` when a process cannot be ended."""
    if interrupt:
        interrupt_start(layout)
    supervision = Supervision(layout)
    try:
        stop_programs(supervision)
        pid = supervision.read_pid()
        supervision.shutdown()
        wait_until_gone({pid}, timeout_s=LONGEST_STOP_S)
    except OSError:
        pass  # not running, or it was killed: what is left is found below
    place = find_place()
    ended = end_stack_processes(layout.folder, data=place.folder if place else None)
    if ended:
        say(f"  ended what was left behind: {', '.join(ended)}")
    supervision.remove_socket()
    left = find_left(layout)
    if left:
        names = ", ".join(describe_process(pid) for pid in left)
        raise StackError(f"these processes cannot be ended: {names}")


def stop_programs(supervision: Supervision) -> None:
    """Simulator, then processes together, then servers. Raises `OSError` without supervisor."""
    states = supervision.list_states()
    servers = [name for name in states if name in SERVER_PORTS]
    processes = [name for name in states if name not in (*servers, *FIRST)]
    groups = {
        "simulator": [name for name in FIRST if name in states],
        "processes": processes,
        "servers": servers,
    }
    for title, names in groups.items():
        if any(states[name].state not in STOPPED for name in names):
            with step(f"stopped {title}"):
                stop_and_wait(supervision, names)


def stop_and_wait(supervision: Supervision, names: list[str]) -> None:
    """Stop programs at the same time and wait for all."""
    deadline = time.monotonic() + LONGEST_STOP_S
    for name in names:
        supervision.stop_program(name)
    while time.monotonic() < deadline:
        states = supervision.list_states()
        if all(states[name].state in STOPPED for name in names):
            return
        time.sleep(0.1)


def interrupt_start(layout: Layout) -> None:
    """End a `make up` that is at work or waits in the foreground."""
    holder = read_holder(layout.lock)
    if holder and holder != os.getpid() and is_alive(holder):
        say(f"  ending the make up that is at work (pid {holder})")
        os.kill(holder, signal.SIGTERM)
        wait_until_gone({holder}, timeout_s=LONGEST_STOP_S)


def find_left(layout: Layout) -> set[int]:
    """The processes of this stack that run."""
    place = find_place()
    return find_stack_processes(layout.folder, data=place.folder if place else None)
