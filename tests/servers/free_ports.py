"""Ports for servers of a test run."""

import random
import socket
from contextlib import ExitStack
from pathlib import Path

from compose.local.ports import HOST

CLIENTS = Path("/proc/sys/net/ipv4/ip_local_port_range")
FIRST = 10_100  # Chromium opens nothing at 10080


def find_free_ports(count: int) -> list[int]:
    """Ports that are free now, all different, below those that the kernel gives to clients: one of
    these would take the port of a server that is being started again. Raises `OSError` when there
    are not so many. Another process may still be faster."""
    last = int(CLIENTS.read_text(encoding="ascii").split()[0])
    candidates = range(FIRST, last)
    with ExitStack() as held:
        found: list[int] = []
        for port in random.Random().sample(candidates, len(candidates)):
            if len(found) == count:
                return found
            probe = held.enter_context(socket.socket())
            try:
                probe.bind((HOST, port))
            except OSError:
                continue
            found.append(port)
    raise OSError(f"no {count} free ports of {HOST} between {FIRST} and {last}")
