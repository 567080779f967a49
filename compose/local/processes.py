"""Find and end the processes of a stack, also when their supervisor died.

Every process carries `TDS_STACK=<folder>` in its environment. PostgreSQL and Redis overwrite their
environment to show a title, so the servers are found by their working folder as well.
"""

import os
import signal
import time
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

import psutil

from compose.local.layout import MARKER


def find_stack_processes(marker: Path, *, data: Path | None) -> dict[int, str]:
    """The names of the processes that carry the marker or work in the data folder, by their pids.

    The ancestors of the calling process are left out: a shell may carry the marker by chance.
    """
    me = psutil.Process()
    own = {me.pid, *(parent.pid for parent in me.parents())}
    return {
        process.pid: process.info["name"]
        for process in psutil.process_iter(["name", "environ", "status"])
        if process.pid not in own
        and process.info["status"] != psutil.STATUS_ZOMBIE
        and (
            (process.info["environ"] or {}).get(MARKER) == str(marker)
            or (data and works_below(process.pid, "cwd", data))
        )
    }


def find_processes_below(folder: Path, link: str) -> set[int]:
    """The processes whose `cwd` or `root` is the folder or lies below it."""
    return {pid for pid in psutil.pids() if works_below(pid, link, folder)}


def works_below(pid: int, link: str, folder: Path) -> bool:
    """Whether a process' `cwd` or `root` is the folder or lies below it."""
    try:
        return Path(f"/proc/{pid}/{link}").readlink().is_relative_to(folder)
    except OSError:
        return False


def is_alive(pid: int) -> bool:
    """Whether a process exists and is more than a zombie."""
    try:
        return bool(psutil.Process(pid).status() != psutil.STATUS_ZOMBIE)
    except psutil.Error:
        return False


def end_stack_processes(marker: Path, *, data: Path | None) -> list[str]:
    """End a stack's processes, those that use its servers first. Returns their names."""
    found = find_stack_processes(marker, data=data)
    servers = {pid for pid in found if data and works_below(pid, "root", data.parents[1])}
    end_processes(found.keys() - servers)
    end_processes(servers, patience_s=30.0)
    return sorted(set(found.values()))


def end_processes(pids: Iterable[int], *, patience_s: float = 10.0) -> None:
    """Ask processes to end, then kill those that did not. Returns when all are gone."""
    left = set(pids)
    for number, timeout_s in ((signal.SIGTERM, patience_s), (signal.SIGKILL, 5.0)):
        send_signal(left, number)
        left = wait_until_gone(left, timeout_s=timeout_s)


def send_signal(pids: Iterable[int], number: signal.Signals) -> None:
    """Signal each process that still exists."""
    for pid in pids:
        with suppress(ProcessLookupError):
            os.kill(pid, number)


def wait_until_gone(pids: Iterable[int], *, timeout_s: float) -> set[int]:
    """Wait for processes to end; return those that did not."""
    left = set(pids)
    deadline = time.monotonic() + timeout_s
    while (left := set(filter(is_alive, left))) and time.monotonic() < deadline:
        time.sleep(0.05)
    return left
