"""A lock between processes on this machine, released by the kernel when its holder dies."""

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TextIO

from compose.local.progress import say


@contextmanager
def hold_lock(path: Path, *, waiting: str) -> Iterator[None]:
    """Hold the lock; wait for another holder and say so. The file holds the holder's pid."""
    path.parent.mkdir(mode=0o711, parents=True, exist_ok=True)
    with path.open("a+", encoding="ascii") as file:
        if not try_lock(file):
            say(f"Waiting for {waiting} (process {read_holder(path)})")
            fcntl.flock(file, fcntl.LOCK_EX)
        file.truncate(0)
        file.write(str(os.getpid()))
        file.flush()
        yield


def try_lock(file: TextIO) -> bool:
    """Take the lock if nobody has it."""
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def read_holder(path: Path) -> int | None:
    """The pid of the process that holds the lock, or None when nobody does."""
    if not path.exists():
        return None
    with path.open(encoding="ascii") as file:
        text = "" if try_lock(file) else file.read()
    return int(text) if text.isdigit() else None
