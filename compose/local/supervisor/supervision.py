"""Supervisor: how it is started, and what it is asked over its socket."""

import http.client
import os
import subprocess
import sys
import time
import xmlrpc.client
from collections import Counter
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from typing import Any, cast

from supervisor.xmlrpc import SupervisorTransport

from compose.local.layout import MARKER, UMASK, Layout, StackError
from compose.local.progress import read_tail
from compose.local.stack.programs import SHELL_NAMES, Program
from compose.local.supervisor.config import write_config

State = dict[str, Any]
"""What supervisor knows of a program: `statename`, `pid`, `start`, `exitstatus` and more."""


class Supervision:
    """The supervisor of one stack. Methods raise `OSError` when it does not run."""

    def __init__(self, layout: Layout) -> None:
        self._layout = layout
        self.socket = layout.run / "supervisor.sock"
        self.log = layout.logs / "supervisord.log"
        self._config = layout.run / "supervisord.conf"

    def is_running(self) -> bool:
        """Whether it answers."""
        try:
            return bool(self._call("getState")["statename"] == "RUNNING")
        except OSError:
            return False

    def start(self) -> None:
        """Start it in a session of its own and wait until it answers."""
        self.log.unlink(missing_ok=True)
        environ = {name: os.environ[name] for name in SHELL_NAMES if name in os.environ}
        environ["PATH"] = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
        environ[MARKER] = str(self._layout.folder)
        path = self._layout.logs / "supervisord.out"
        path.unlink(missing_ok=True)
        path.touch(mode=0o600)
        with path.open("wb") as out:
            process = subprocess.Popen(
                [sys.executable, "-m", "supervisor.supervisord", "-c", str(self._config)],
                cwd=self._layout.run,  # its socket lies there
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=subprocess.STDOUT,
                env=environ,
                start_new_session=True,
                umask=UMASK,
            )
        deadline = time.monotonic() + 15
        while not self.is_running():
            if process.poll() is not None or time.monotonic() > deadline:
                raise StackError(f"supervisor did not start. Log: {path}\n{read_tail(path)}")
            time.sleep(0.05)

    def write_config(self, programs: Iterable[Program]) -> None:
        """Write the programs and the files with their settings."""
        write_config(self._config, programs, layout=self._layout)

    def reload(self) -> None:
        """Take over a new settings file. Programs that are gone or changed are stopped first."""
        added, changed, removed = self._call("reloadConfig")[0]
        for name in (*removed, *changed):
            self._call("stopProcessGroup", name)
            self._call("removeProcessGroup", name)
        for name in (*added, *changed):
            self._call("addProcessGroup", name)

    def start_programs(self, names: Sequence[str]) -> None:
        """Start programs together; each has run for a second then. Those that run are left alone.

        Raises `StackError` for one that ended.
        """
        self._call_for_each("startProcess", names)
        self.require_running(names)

    def start_ending(self, names: Sequence[str]) -> None:
        """Start programs that end by themselves, and leave them to it."""
        self._call_for_each("startProcess", names)

    def require_running(self, names: Sequence[str]) -> None:
        """Raise `StackError` with the log of the first program that does not run."""
        states = self.list_states()
        for name in names:
            if states[name]["statename"] not in ("RUNNING", "STARTING"):
                raise self.failure(name, "ended at its start")

    def failure(self, name: str, text: str) -> StackError:
        """What became of a program, with the end of its log."""
        log = self._layout.logs / f"{name}.log"
        return StackError(f"{name} {text}. Log: {log}\n{read_tail(log)}")

    def stop_programs(self, names: Sequence[str]) -> None:
        """Stop programs together and wait; what does not stop in time is killed by supervisor."""
        self._call_for_each("stopProcess", names)

    def list_states(self) -> dict[str, State]:
        """Every program by name."""
        return {state["name"]: state for state in self._call("getAllProcessInfo")}

    def read_pid(self) -> int:
        """Supervisor's own pid."""
        return int(self._call("getPID"))

    def shutdown(self) -> None:
        """Ask supervisor to stop everything and end, without waiting."""
        self._call("shutdown")

    def count_starts(self) -> Counter[str]:
        """How often each program was started since supervisor was."""
        if not self.log.exists():
            return Counter()
        lines = self.log.read_text(encoding="utf-8", errors="replace").splitlines()
        return Counter(line.split("'")[1] for line in lines if " INFO spawned: '" in line)

    def _call_for_each(self, method: str, names: Sequence[str]) -> None:
        """Call and wait. What was so before, or went wrong, shows in the programs' states."""

        def call(name: str) -> None:
            with suppress(xmlrpc.client.Fault):
                self._call(method, name)

        with ThreadPoolExecutor(max(1, len(names))) as pool:
            list(pool.map(call, names))

    def _call(self, method: str, *arguments: Any) -> Any:
        folder = os.open(self._layout.run, os.O_PATH)
        # A way to the socket that is short enough for one, wherever the checkout lies.
        url = f"unix:///proc/self/fd/{folder}/{self.socket.name}"
        transport = SupervisorTransport(serverurl=url)
        try:
            with xmlrpc.client.ServerProxy("http://localhost", transport=transport) as proxy:
                return cast("Any", getattr(proxy.supervisor, method))(*arguments)
        except (http.client.HTTPException, xmlrpc.client.ProtocolError) as error:
            raise ConnectionError(f"supervisor does not answer: {error}") from error
        finally:
            os.close(folder)
