"""Tell at once which other processes of this pool are dead, without waiting for their leases."""

import os
import secrets
from pathlib import Path

BOOT_ID = Path("/proc/sys/kernel/random/boot_id")
NAMESPACE = Path("/proc/self/ns/pid")


def name_owner(pool: str) -> str:
    """A name for this process as an owner of batches: pool, where its number counts, number."""
    return f"{pool}|{_read_place()}|{os.getpid()}|{secrets.token_hex(4)}"


def is_dead_sibling(owner: str, *, me: str) -> bool:
    """Whether `owner` is a process of the same pool and machine that has ended. False as well when
    nobody knows: then its lease says so."""
    parts = owner.split("|")
    if len(parts) != 4 or not parts[1] or parts[:2] != me.split("|")[:2]:
        return False
    try:
        os.kill(int(parts[2]), 0)
    except ProcessLookupError:
        return True
    except OSError:
        return False
    return False


def _read_place() -> str:
    """The boot and the PID namespace; empty where the system has no such thing."""
    try:
        return f"{BOOT_ID.read_text().strip()}/{NAMESPACE.readlink().name}"
    except OSError:
        return ""
