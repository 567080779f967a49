"""Ports for servers of a test run."""

import socket

from compose.local.ports import HOST


def find_free_ports(count: int) -> list[int]:
    """Ports that are free now, all different. Another process may still be faster."""
    probes = [socket.socket() for _ in range(count)]
    try:
        for probe in probes:
            probe.bind((HOST, 0))
        return [int(probe.getsockname()[1]) for probe in probes]
    finally:
        for probe in probes:
            probe.close()
