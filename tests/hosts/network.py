"""Hosts as network namespaces on a switch whose links can be cut.

The servers stay where they are, in the namespace of this process: it is one more host on the
switch. A link is cut at the switch, so neither end is told: packets get lost, as when a cable
between two switches breaks.
"""

import itertools
import os
import subprocess
from types import TracebackType
from typing import Self

from compose.local.layout import StackError

SUBNET = "198.18.0"  # of the range for tests of networks (RFC 2544)
SERVERS = f"{SUBNET}.1"
"""The address of the servers' host."""
NUMBERS = itertools.count(1)
"""Of the networks of this process."""


class Network:
    """A switch, the servers' host and those that are added. All of it is gone after `with`."""

    def __init__(self) -> None:
        self._id = f"{os.getpid()}n{next(NUMBERS)}"  # a deleted one takes a while to be gone
        self._switch = f"tds-{self._id}-switch"
        self._hosts: list[str] = []

    def __enter__(self) -> Self:
        run("ip", "netns", "add", self._switch)
        try:
            run("ip", "-n", self._switch, "link", "add", "switch", "type", "bridge")
            run("ip", "-n", self._switch, "link", "set", "switch", "up")
            self._plug(1, namespace="")
        except BaseException:
            self.close()
            raise
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """Delete the namespaces; their links go with them."""
        for namespace in (*self._hosts, self._switch):
            subprocess.run(["ip", "netns", "delete", namespace], check=False)

    def add_host(self, number: int) -> None:
        """A host of its own network, plugged into the switch; numbers begin at 2."""
        namespace = self._name(number)
        run("ip", "netns", "add", namespace)
        self._hosts.append(namespace)
        run("ip", "-n", namespace, "link", "set", "lo", "up")
        self._plug(number, namespace=namespace)

    def wrap(self, number: int, argv: list[str]) -> list[str]:
        """The command that runs `argv` on a host, which has a name of its own."""
        script = 'hostname "$1" && shift && exec "$@"'
        within = ["ip", "netns", "exec", self._name(number), "unshare", "--uts"]
        return [*within, "sh", "-c", script, "sh", f"host-{number}", *argv]

    def cut(self, *numbers: int) -> None:
        """Let no packet of these hosts through."""
        for number in numbers:
            run("ip", "-n", self._switch, "link", "set", f"port{number}", "down")

    def block(self, number: int, *others: int) -> None:
        """Let what a host sends to some others get lost; the rest arrives."""
        for other in others:
            route = ["route", "add", "blackhole", f"{SUBNET}.{other}"]
            run("ip", "-n", self._name(number), *route)

    def heal(self, *numbers: int) -> None:
        """Let them through again."""
        for number in numbers:
            run("ip", "-n", self._switch, "link", "set", f"port{number}", "up")

    def _plug(self, number: int, *, namespace: str) -> None:
        within = ["-n", namespace] if namespace else []
        device, port = f"tds{self._id}h{number}", f"port{number}"
        peer = ["peer", "name", port, "netns", self._switch]
        run("ip", *within, "link", "add", device, "type", "veth", *peer)
        run("ip", *within, "address", "add", f"{SUBNET}.{number}/24", "dev", device)
        run("ip", *within, "link", "set", device, "up")
        run("ip", "-n", self._switch, "link", "set", port, "master", "switch", "up")

    def _name(self, number: int) -> str:
        return f"tds-{self._id}-host-{number}"


def run(*argv: str) -> None:
    """Run a command. Raises `StackError` with what it said."""
    done = subprocess.run(argv, check=False, capture_output=True, text=True)
    if done.returncode:
        raise StackError(f"{' '.join(argv)}: {done.stderr.strip() or done.returncode}")
