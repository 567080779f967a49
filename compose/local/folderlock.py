"""A lock between processes on this machine, released by the kernel when its holder dies."""

import fcntl
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from compose.local.layout import UsageError
from compose.local.progress import say


@contextmanager
def hold_lock(path: Path, *, waiting: str, timeout_s: float = 900.0) -> Iterator[None]:
    """Hold the lock; wait for another holder and say so. The file holds the holder's pid."""
    path.parent.mkdir(mode=0o711, parents=True, exist_ok=True)
    handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        if not try_lock(handle):
            say(f"Waiting for {waiting}")
            deadline = time.monotonic() + timeout_s
            while not try_lock(handle):
                if time.monotonic() > deadline:
                    raise UsageError(f"{path} is held by process {read_holder(path)}: end it first")
                time.sleep(0.2)
        os.ftruncate(handle, 0)
        os.pwrite(handle, str(os.getpid()).encode(), 0)
        yield
    finally:
        os.close(handle)


def try_lock(handle: int) -> bool:
    """Take the lock if nobody has it."""
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def read_holder(path: Path) -> int | None:
    """The pid of the process that holds the lock, or None when nobody does."""
    try:
        handle = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except FileNotFoundError:
        return None
    try:
        if try_lock(handle):
            return None
        text = os.pread(handle, 32, 0).decode()
        return int(text) if text.isdigit() else None
    finally:
        os.close(handle)
