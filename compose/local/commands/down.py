"""`make down`: stop everything and prove that nothing is left."""

import os
import signal

from compose.local.folderlock import read_holder
from compose.local.layout import Layout, StackError
from compose.local.processes import (
    end_stack_processes,
    find_stack_processes,
    send_signal,
    wait_until_gone,
)
from compose.local.progress import say, step
from compose.local.stack.plan import find_data
from compose.local.stack.request import SERVER_PORTS
from compose.local.supervisor.supervision import Supervision

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
    supervision.socket.unlink(missing_ok=True)
    if left := find_stack_processes(layout.folder, data=data):
        names = ", ".join(f"{name} (pid {pid})" for pid, name in left.items())
        raise StackError(f"these processes cannot be ended: {names}")


def stop_programs(supervision: Supervision) -> None:
    """Simulator, then processes together, then servers. Raises `OSError` without supervisor."""
    groups: dict[str, list[str]] = {"simulator": [], "processes": [], "servers": []}
    for name, state in supervision.list_states().items():
        if state["statename"] not in STOPPED:
            group = "servers" if name in SERVER_PORTS else "processes"
            groups["simulator" if name == "simulator" else group].append(name)
    for title, names in groups.items():
        if names:
            with step(f"stopped {title}"):
                supervision.stop_programs(names)


def interrupt_start(layout: Layout) -> None:
    """End a `make up` that is at work or waits in the foreground."""
    holder = read_holder(layout.lock)
    if holder and holder != os.getpid():
        say(f"  ending the make up that is at work (pid {holder})")
        send_signal({holder}, signal.SIGTERM)
        wait_until_gone({holder}, timeout_s=LONGEST_STOP_S)
