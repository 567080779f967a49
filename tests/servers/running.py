"""A running server under the control of a test."""

import signal
import subprocess
import time
from pathlib import Path

from compose.local.layout import MARKER, StackError
from compose.local.processes import (
    find_processes_below,
    send_signal,
    wait_until_gone,
)
from compose.local.progress import read_tail
from compose.local.servers.rootfs import SERVER_ENVIRONMENT
from compose.local.servers.server import Server
from compose.local.stack.health import probe_part


class RunningServer:
    """A server that a test may stop, kill and start again, with the same port and data."""

    def __init__(self, server: Server, *, log: Path, marker: Path) -> None:
        self._server = server
        self._marker = marker
        self._process: subprocess.Popen[bytes] | None = None
        self.log = log

    @property
    def name(self) -> str:
        return self._server.name

    @property
    def port(self) -> int:
        return self._server.port

    @property
    def pid(self) -> int:
        """The server's own process id. Raises `StackError` when it does not run."""
        if self._process is None or self._process.poll() is not None:
            raise StackError(f"{self.name} does not run. Log: {self.log}\n{read_tail(self.log)}")
        return self._process.pid

    @property
    def server(self) -> Server:
        """What it runs, and where."""
        return self._server

    @property
    def folder(self) -> Path:
        """Where its settings and data are."""
        return self._server.folder

    def reconfigure(self, extra: str) -> None:
        """Start it again with `extra` lines at the end of its configuration."""
        self.stop()
        self._server.prepare()
        with (self.folder / self._server.settings_file).open("a", encoding="utf-8") as file:
            file.write(f"{extra}\n")
        self.launch()
        self.wait_until_ready()

    def launch(self) -> None:
        """Start without waiting."""
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(
                self._server.argv,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                env={**SERVER_ENVIRONMENT, MARKER: str(self._marker)},
                start_new_session=True,
            )

    def wait_until_ready(self, *, timeout_s: float = 30.0) -> None:
        """Return when the server serves. Raises `StackError` with the log when it does not."""
        deadline = time.monotonic() + timeout_s
        while True:
            try:
                probe_part(self.name, self._server.environ())
            except OSError as error:
                if self.pid and time.monotonic() > deadline:
                    tail = read_tail(self.log)
                    raise StackError(f"{self.name} does not serve: {error}\n{tail}") from error
                time.sleep(0.05)
            else:
                return

    def start(self) -> None:
        """Start and wait until it serves."""
        self.launch()
        self.wait_until_ready()

    def stop(self, *, timeout_s: float = 30.0) -> None:
        """End it in an orderly way and wait. A server that does not run is left alone."""
        number = signal.Signals[f"SIG{self._server.stop_signal}"]
        self._end(number, timeout_s=timeout_s)

    def kill(self) -> None:
        """SIGKILL and wait. Its children as well: PostgreSQL's hold its shared memory, and as long
        as one lives, another server refuses to start on the same data."""
        self._end(signal.SIGKILL, timeout_s=10.0)
        children = find_processes_below(self.folder, "cwd")
        send_signal(children, signal.SIGKILL)
        wait_until_gone(children, timeout_s=10.0)

    def restart(self) -> None:
        """Stop in an orderly way, then start."""
        self.stop()
        self.start()

    def _end(self, number: signal.Signals, *, timeout_s: float) -> None:
        process = self._process
        if process is None or process.poll() is not None:
            return
        process.send_signal(number)
        process.send_signal(signal.SIGCONT)
        try:
            process.wait(timeout_s)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait(10)
