"""Ports for servers of a test run."""

import random
import socket
from contextlib import ExitStack
from pathlib import Path

from compose.local.ports import HOST

CLIENTS = Path("/proc/sys/net/ipv4/ip_local_port_range")
FIRST, LAST = 10_100, 65_535  # Chromium opens nothing at 10080
FEWEST = 1_000


def find_free_ports(count: int) -> list[int]:
    """Ports that are free now, all different. Below those that the kernel gives to clients, where
    it leaves enough: a client would take the port of a server that is being started again. Raises
    `OSError` when there are not so many. Another process may still be faster."""
    end = int(CLIENTS.read_text(encoding="ascii").split()[0])
    candidates = range(FIRST, end if end - FIRST >= FEWEST else LAST + 1)
    found: list[int] = []
    with ExitStack() as held:
        for port in random.Random().sample(candidates, len(candidates)):
            probe = held.enter_context(socket.socket())
            try:
                probe.bind((HOST, port))
            except OSError:
                continue
            found.append(port)
            if len(found) == count:
                return found
    raise OSError(f"{len(found)} free ports of {HOST} in {candidates}: expected {count}")
