"""`make down` stops everything and proves it; `clean` and `distclean` delete as well."""

import os
import shutil
import signal
import sys

from compose.local.folderlock import read_holder
from compose.local.layout import ROOTFS_FOLDER, Layout, StackError, UsageError
from compose.local.processes import (
    end_stack_processes,
    find_stack_processes,
    send_signal,
    wait_until_gone,
)
from compose.local.progress import say, step
from compose.local.servers.rootfs import remove_tree
from compose.local.stack.plan import find_data
from compose.local.stack.request import SERVER_PORTS
from compose.local.stack.settings import secrets_path
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


def clean(layout: Layout) -> None:
    """Delete readings, queues, sessions, secrets and logs; what was installed stays."""
    confirm("This deletes every reading, queue, account and password of this stack.")
    bring_down(layout)
    for path in (layout.stack_env, secrets_path(layout)):
        path.unlink(missing_ok=True)
    for folder in (find_data(), layout.logs, layout.run):
        if folder:
            shutil.rmtree(folder, ignore_errors=True)
    say("Deleted the data. make up starts with an empty database.")


def distclean(layout: Layout) -> None:
    """Delete the whole folder `.local` as well; the Makefile deletes the virtual environment."""
    clean(layout)
    for path in sorted(ROOTFS_FOLDER.glob("*")):
        remove_tree(path)
    shutil.rmtree(layout.folder)


def confirm(question: str) -> None:
    """Ask; `YES=1` answers. Raises `UsageError` without a yes."""
    if os.environ.get("YES") == "1":
        return
    if not sys.stdin.isatty():
        raise UsageError(f"{question} Nobody is there to ask: say YES=1")
    if input(f"{question} Type yes to go on: ").strip() != "yes":
        raise UsageError("nothing was deleted")
