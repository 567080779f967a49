"""Disks without room: ENOSPC for PostgreSQL's tables and for the broker's file.

Their folders lie on small file systems in memory, which are made as small as what they hold. (WAL,
and Redis's file, stay on the disk.)
"""

import os
import shutil
import subprocess
from pathlib import Path

from compose.local.layout import StackError
from tests.chaos.cause import Cause
from tests.chaos.schedule import Kind
from tests.chaos.stack import ChaosStack

# Server and folder, seen from the stack's data; room for the longest run.
DISKS = {"postgres": ("postgres/base", "4g"), "mosquitto": ("mosquitto", "1g")}


def list_disks() -> list[Cause]:
    """One kind for each disk."""
    return [_fill(name) for name in DISKS]


def _fill(name: str) -> Cause:
    def heal(stack: ChaosStack) -> None:
        resize_disk(stack.disks[name], DISKS[name][1])
        stack.restore_server(name)

    return Cause(
        Kind(f"{name}: no room on the disk", name),
        lambda stack: fill_disk(stack.disks[name]),
        heal,
        prepare=lambda stack: move_to_disk(stack, name),
    )


def fill_disk(folder: Path) -> None:
    """Not one page more can be written. What is freed can be written again."""
    for _ in range(20):  # what holds more by now is not made smaller
        usage = os.statvfs(folder)
        used = (usage.f_blocks - usage.f_bfree) * usage.f_frsize
        if _remount(folder, str(used)):
            return
    raise StackError(f"{folder} could not be filled")


def move_to_disk(stack: ChaosStack, name: str) -> None:
    """Put a server's folder on a file system of its own, before its first message."""
    path, size = DISKS[name]
    folder = stack.servers.data / path
    server = stack.find(name)
    server.stop()
    aside = folder.with_name(folder.name + ".aside")
    folder.rename(aside)  # on the disk: what stays there is deleted with the rest
    owner = aside.stat()
    folder.mkdir()
    options = f"size={size},mode=0700,uid={owner.st_uid},gid={owner.st_gid}"
    argv = ["mount", "-t", "tmpfs", "-o", options, "chaos", str(folder)]
    done = subprocess.run(argv, capture_output=True, text=True, check=False)
    if done.returncode:
        raise StackError(f"no file system for {folder}: {done.stderr.strip()}")
    stack.disks[name] = folder
    subprocess.run(["cp", "-a", f"{aside}/.", str(folder)], check=True)
    shutil.rmtree(aside)
    server.start()


def resize_disk(folder: Path, size: str) -> None:
    """Give it room again. Raises `StackError`."""
    if not _remount(folder, size):
        raise StackError(f"{folder} could not be given room")


def _remount(folder: Path, size: str) -> bool:
    argv = ["mount", "-o", f"remount,size={size}", str(folder)]
    return subprocess.run(argv, capture_output=True, check=False).returncode == 0
