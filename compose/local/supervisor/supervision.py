"""Supervisor: its settings file, and what it is asked over its socket."""

import hashlib
import http.client
import os
import stat
import subprocess
import sys
import time
import xmlrpc.client
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

from supervisor.xmlrpc import SupervisorTransport

from compose.local.layout import MARKER, Layout, StackError
from compose.local.progress import read_tail
from compose.local.stack.programs import SHELL_NAMES, Program
from compose.local.supervisor.config import write_config

LONGEST_SOCKET_PATH = 100  # 108 bytes with room for supervisor's temporary name


@dataclass(frozen=True)
class ProgramState:
    """What supervisor knows of a program."""

    name: str
    state: str
    pid: int
    started_at: float
    exit_status: int

    @property
    def is_running(self) -> bool:
        return self.state == "RUNNING"


class Supervision:
    """The supervisor of one stack. Methods raise `OSError` when it does not run."""

    def __init__(self, layout: Layout) -> None:
        self._layout = layout
        self.socket = choose_socket(layout.run)
        self.log = layout.logs / "supervisord.log"
        self._config = layout.run / "supervisord.conf"

    def is_running(self) -> bool:
        """Whether it answers."""
        try:
            return bool(self._call("supervisor.getState")["statename"] == "RUNNING")
        except OSError:
            return False

    def start(self) -> None:
        """Start it in a session of its own and wait until it answers."""
        prepare_socket_folder(self.socket.parent)
        self.log.unlink(missing_ok=True)
        environ = {name: os.environ[name] for name in SHELL_NAMES if name in os.environ}
        environ["PATH"] = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
        environ[MARKER] = str(self._layout.folder)
        with (self._layout.logs / "supervisord.out").open("wb") as out:
            process = subprocess.Popen(
                [sys.executable, "-m", "supervisor.supervisord", "-c", str(self._config)],
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=subprocess.STDOUT,
                env=environ,
                start_new_session=True,
            )
        deadline = time.monotonic() + 15
        while not self.is_running():
            if process.poll() is not None or time.monotonic() > deadline:
                path = self._layout.logs / "supervisord.out"
                raise StackError(f"supervisor did not start. Log: {path}\n{read_tail(path)}")
            time.sleep(0.05)

    def write_config(self, programs: Iterable[Program]) -> None:
        """Write the programs and the files with their settings."""
        write_config(self._config, programs, layout=self._layout, socket=self.socket)

    def reload(self) -> None:
        """Take over a new settings file. Programs that are gone or changed are stopped first."""
        added, changed, removed = self._call("supervisor.reloadConfig")[0]
        for name in (*removed, *changed):
            self._call("supervisor.stopProcessGroup", name)
            self._call("supervisor.removeProcessGroup", name)
        for name in (*added, *changed):
            self._call("supervisor.addProcessGroup", name)

    def start_programs(self, names: Sequence[str]) -> None:
        """Start programs together; each has run for a second then. Those that run are left alone.

        Raises `StackError` for one that ended.
        """
        self._call_for_each("supervisor.startProcess", names)
        self.require_running(names)

    def require_running(self, names: Sequence[str]) -> None:
        """Raise `StackError` with the log of the first program that does not run."""
        states = self.list_states()
        for name in names:
            if states[name].state not in ("RUNNING", "STARTING"):
                raise self.failure(name, "ended at its start")

    def failure(self, name: str, words: str) -> StackError:
        """What became of a program, with the end of its log."""
        log = self._layout.logs / f"{name}.log"
        return StackError(f"{name} {words}. Log: {log}\n{read_tail(log)}")

    def stop_programs(self, names: Sequence[str]) -> None:
        """Stop programs together and wait; what does not stop in time is killed by supervisor."""
        self._call_for_each("supervisor.stopProcess", names)

    def list_states(self) -> dict[str, ProgramState]:
        """Every program by name."""
        rows = self._call("supervisor.getAllProcessInfo")
        return {
            row["name"]: ProgramState(
                row["name"], row["statename"], row["pid"], row["start"], row["exitstatus"]
            )
            for row in rows
        }

    def read_pid(self) -> int:
        """Supervisor's own pid."""
        return int(self._call("supervisor.getPID"))

    def shutdown(self) -> None:
        """Ask supervisor to stop everything and end, without waiting."""
        self._call("supervisor.shutdown")

    def remove_socket(self) -> None:
        """Remove what a supervisor that was killed leaves, and the folder outside the checkout."""
        self.socket.unlink(missing_ok=True)
        if self.socket.parent != self._layout.run and self.socket.parent.exists():
            self.socket.parent.rmdir()

    def count_starts(self) -> dict[str, int]:
        """How often each program was started since supervisor was."""
        counts: dict[str, int] = {}
        try:
            lines = self.log.read_text(encoding="utf-8", errors="replace").splitlines()
        except OSError:
            return counts
        for line in lines:
            if " INFO spawned: '" in line:
                name = line.split("'")[1]
                counts[name] = counts.get(name, 0) + 1
        return counts

    def _call_for_each(self, method: str, names: Sequence[str]) -> None:
        """Call and wait. What was so before, or went wrong, shows in the programs' states."""

        def call(name: str) -> None:
            with suppress(xmlrpc.client.Fault):
                self._call(method, name)

        with ThreadPoolExecutor(max(1, len(names))) as pool:
            list(pool.map(call, names))

    def _call(self, method: str, *arguments: Any) -> Any:
        transport = SupervisorTransport(serverurl=f"unix://{self.socket}")
        try:
            with xmlrpc.client.ServerProxy("http://localhost", transport=transport) as proxy:
                return cast("Any", getattr(proxy, method))(*arguments)
        except (http.client.HTTPException, xmlrpc.client.ProtocolError) as error:
            raise ConnectionError(f"supervisor does not answer: {error}") from error


def choose_socket(run: Path) -> Path:
    """The socket's path: below the stack's folder, or in /tmp when that would be too long."""
    path = run / "supervisor.sock"
    if len(os.fsencode(path)) <= LONGEST_SOCKET_PATH:
        return path
    key = hashlib.sha256(os.fsencode(run)).hexdigest()[:12]
    return Path("/tmp") / f"tds-stack-{os.geteuid()}-{key}" / "supervisor.sock"


def prepare_socket_folder(folder: Path) -> None:
    """Make the folder; refuse one that somebody else made."""
    folder.mkdir(mode=0o700, exist_ok=True)
    found = folder.lstat()
    if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.geteuid() or found.st_mode & 0o077:
        raise StackError(f"{folder} is not a private folder of this user: remove it")
