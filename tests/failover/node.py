"""A server on a host of its own."""

import os
import signal
import subprocess
from contextlib import suppress
from pathlib import Path

from compose.local.processes import find_processes_below, send_signal, wait_until_gone
from compose.local.servers.rootfs import SERVER_ENVIRONMENT
from compose.local.servers.server import Server
from tests.hosts.network import SUBNET, Network

EVERYWHERE = "0.0.0.0"


class Node:
    """Runs `server` on a host of the network, with `extra` at the end of its settings."""

    def __init__(self, network: Network, number: int, server: Server, *, log: Path) -> None:
        self.number = number
        self.address = f"{SUBNET}.{number}"
        self.server = server
        self.log = log
        self._network = network
        self._processes: list[subprocess.Popen[bytes]] = []

    def configure(self, extra: str) -> None:
        """Write the settings of the local stack, then `extra`, which wins."""
        self.server.prepare()
        with (self.server.folder / self.server.settings_file).open("a", encoding="utf-8") as file:
            file.write(f"{extra}\n")

    def start(self, program: list[str] | None = None) -> None:
        """Start the server, or another program of its package."""
        argv = self.server.argv
        if program is not None:
            argv = self.server.place.rootfs.command(self.server.name, program)
        with self.log.open("ab") as log:
            self._processes.append(
                subprocess.Popen(
                    self._network.wrap(self.number, argv),
                    stdin=subprocess.DEVNULL,
                    stdout=log,
                    stderr=subprocess.STDOUT,
                    env=SERVER_ENVIRONMENT,
                    start_new_session=True,
                )
            )

    def kill(self) -> None:
        """SIGKILL everything that runs on it. Repeatable."""
        for process in self._processes:
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait(10)
        left = find_processes_below(self.server.folder, "cwd")
        send_signal(left, signal.SIGKILL)
        wait_until_gone(left, timeout_s=10.0)
        self._processes = []

    def lose(self) -> None:
        """Lose the host: it answers nobody any more, not even with a reset."""
        self._network.cut(self.number)
        self.kill()
