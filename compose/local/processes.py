"""Find and end the processes of a stack, also when their supervisor died.

Every process carries `TDS_STACK=<folder>` in its environment. PostgreSQL and Redis overwrite their
environment to show a title, so the servers are found by their working folder as well.
"""

import os
import signal
import time
from collections.abc import Iterable, Iterator
from pathlib import Path

MARKER = "TDS_STACK"


def list_pids() -> Iterator[int]:
    """Every process of this machine but the calling one."""
    for path in Path("/proc").iterdir():
        if path.name.isdigit() and int(path.name) != os.getpid():
            yield int(path.name)


def find_stack_processes(marker: Path, *, data: Path | None) -> set[int]:
    """The processes that carry the marker or work in the data folder.

    The ancestors of the calling process are left out: a shell may carry the marker by chance.
    """
    wanted = f"{MARKER}={marker}".encode()
    own = set(list_ancestors(os.getpid()))
    found = set()
    for pid in list_pids():
        if pid in own:
            continue
        if has_environment(pid, wanted) or (data and works_below(pid, "cwd", data)):
            found.add(pid)
    return {pid for pid in found if is_alive(pid)}


def find_processes_inside(root: Path) -> set[int]:
    """The processes whose root folder is `root`."""
    return {pid for pid in list_pids() if works_below(pid, "root", root)}


def list_ancestors(pid: int) -> Iterator[int]:
    """The process, its parent, and so on."""
    while pid > 1:
        yield pid
        try:
            stat = Path(f"/proc/{pid}/stat").read_text(encoding="ascii", errors="replace")
        except OSError:
            return
        pid = int(stat.rsplit(")", 1)[1].split()[1])


def has_environment(pid: int, wanted: bytes) -> bool:
    """Whether a process was started with this `NAME=value`."""
    try:
        return wanted in Path(f"/proc/{pid}/environ").read_bytes().split(b"\0")
    except OSError:
        return False


def works_below(pid: int, link: str, folder: Path) -> bool:
    """Whether a process' `cwd` or `root` is the folder or lies below it."""
    try:
        target = str(Path(f"/proc/{pid}/{link}").readlink())
    except OSError:
        return False
    return target == str(folder) or target.startswith(f"{folder}/")


def is_alive(pid: int) -> bool:
    """Whether a process exists and is more than a zombie."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text(encoding="ascii", errors="replace")
    except OSError:
        return False
    return stat.rsplit(")", 1)[1].split()[0] not in ("Z", "X")


def describe_process(pid: int) -> str:
    """Pid and command, for a message."""
    try:
        command = (
            Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
        )
    except OSError:
        command = ""
    return f"{pid} ({command.strip()[:80] or '?'})"


def end_stack_processes(marker: Path, *, data: Path | None) -> list[str]:
    """End a stack's processes, those that use its servers first. Returns their names."""
    found = find_stack_processes(marker, data=data)
    servers = {pid for pid in found if data and works_below(pid, "cwd", data)}
    servers |= {pid for pid in found if data and works_below(pid, "root", data.parents[1])}
    names = sorted({read_name(pid) for pid in found})
    end_processes(found - servers)
    end_processes(servers, patience_s=30.0)
    return names


def read_name(pid: int) -> str:
    """The process' name as the kernel has it."""
    try:
        return Path(f"/proc/{pid}/comm").read_text(encoding="ascii", errors="replace").strip()
    except OSError:
        return "?"


def end_processes(pids: Iterable[int], *, patience_s: float = 10.0) -> None:
    """Ask processes to end, then kill those that did not. Returns when all are gone."""
    left = set(pids)
    send_signal(left, signal.SIGTERM)
    left = wait_until_gone(left, timeout_s=patience_s)
    send_signal(left, signal.SIGKILL)
    wait_until_gone(left, timeout_s=5.0)


def send_signal(pids: Iterable[int], number: signal.Signals) -> None:
    """Signal each process that still exists."""
    for pid in pids:
        try:
            os.kill(pid, number)
        except ProcessLookupError:
            continue


def wait_until_gone(pids: Iterable[int], *, timeout_s: float) -> set[int]:
    """Wait for processes to end; return those that did not."""
    left = set(pids)
    deadline = time.monotonic() + timeout_s
    while left := {pid for pid in left if is_alive(pid)}:
        if time.monotonic() > deadline:
            break
        time.sleep(0.05)
    return left
