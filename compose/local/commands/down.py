"""`make down`: stop everything and prove that nothing is left."""

import os
import signal

from compose.local.folderlock import read_holder
from compose.local.layout import Layout, StackError
from compose.local.processes import (
    end_stack_processes,
    find_stack_processes,
    is_alive,
    read_name,
    wait_until_gone,
)
from compose.local.progress import say, step
from compose.local.stack.plan import find_data
from compose.local.stack.request import SERVER_PORTS
from compose.local.supervisor.supervision import Supervision

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
    data = find_data()
    ended = end_stack_processes(layout.folder, data=data)
    if ended:
        say(f"  ended what was left behind: {', '.join(ended)}")
    supervision.remove_socket()
    if left := find_stack_processes(layout.folder, data=data):
        names = ", ".join(f"{read_name(pid)} (pid {pid})" for pid in left)
        raise StackError(f"these processes cannot be ended: {names}")


def stop_programs(supervision: Supervision) -> None:
    """Simulator, then processes together, then servers. Raises `OSError` without supervisor."""
    states = supervision.list_states()
    running = [name for name, state in states.items() if state.state not in STOPPED]
    servers = [name for name in running if name in SERVER_PORTS]
    processes = [name for name in running if name not in (*servers, *FIRST)]
    simulators = [name for name in running if name in FIRST]
    groups = {"simulator": simulators, "processes": processes, "servers": servers}
    for title, names in groups.items():
        if names:
            with step(f"stopped {title}"):
                supervision.stop_programs(names)


def interrupt_start(layout: Layout) -> None:
    """End a `make up` that is at work or waits in the foreground."""
    holder = read_holder(layout.lock)
    if holder and holder != os.getpid() and is_alive(holder):
        say(f"  ending the make up that is at work (pid {holder})")
        os.kill(holder, signal.SIGTERM)
        wait_until_gone({holder}, timeout_s=LONGEST_STOP_S)
