"""Servers, proxies and processes of one run, and a supervisor that starts again what died."""

import os
import secrets
import signal
import subprocess
import threading
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import psutil
import psycopg

from compose.chaos.proxy import Proxies
from compose.local.layout import PYTHON, REPOSITORY, START_SCRIPTS, StackError
from compose.local.ports import HOST
from compose.local.running import RunningServer
from compose.local.servers import ServerSet

LOOK_EVERY_S = 0.1
RESTART_AFTER_S = 0.5
STOP_S = 20.0

# Links by the setting that points there, for each process: two parts share no link.
LINKS = {
    "bridge": ("mqtt", "redis"),
    "ingest": ("redis", "postgres"),
    "maintenance": ("redis", "postgres"),
    "beat": ("redis", "postgres"),
}
SCRIPTS = {
    "bridge": "bridge",
    "ingest": "worker-ingest",
    "maintenance": "worker-maintenance",
    "beat": "beat",
}


class Supervised:
    """A process of the product. It is started again when it ends, unless it is held back."""

    def __init__(self, name: str, argv: list[str], environ: Mapping[str, str], log: Path) -> None:
        self.name = name
        self.starts = 0
        self.is_wanted = False
        self._argv = argv
        self.environ = dict(environ)
        self._log = log
        self._running: subprocess.Popen[bytes] | None = None
        self._ended_at = 0.0

    @property
    def pid(self) -> int:
        """Its process id. Raises `ProcessLookupError` when it does not run."""
        if self._running is None or self._running.poll() is not None:
            raise ProcessLookupError(self.name)
        return self._running.pid

    @property
    def is_running(self) -> bool:
        """Whether it runs."""
        return self._running is not None and self._running.poll() is None

    def look(self, *, now_s: float) -> None:
        """Start it if it is wanted and ended some time ago."""
        if self.is_running or not self.is_wanted:
            return
        if self._running is not None and not self._ended_at:
            self._ended_at = now_s
        if now_s - self._ended_at >= RESTART_AFTER_S:
            self._start()

    def stop(self) -> None:
        """End it as a supervisor does, and hold it back."""
        self.is_wanted = False
        if self.is_running:
            self._signal(signal.SIGTERM)
            self._signal(signal.SIGCONT)
            with suppress(subprocess.TimeoutExpired):
                self._running.wait(STOP_S)  # type: ignore[union-attr]
        self.kill()

    def kill(self) -> None:
        """SIGKILL it with everything that it started."""
        self._end_group()
        if self._running is not None:
            self._running.wait(10)

    def read_log(self) -> str:
        """What it has said so far."""
        return self._log.read_text(encoding="utf-8", errors="replace")

    def children(self) -> list[int]:
        """Process ids of its children, oldest first."""
        return [child.pid for child in psutil.Process(self.pid).children(recursive=True)]

    def _start(self) -> None:
        with self._log.open("ab") as log:
            self._running = subprocess.Popen(
                self._argv,
                cwd=REPOSITORY,
                env=self.environ,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        self.starts += 1
        self._ended_at = 0.0

    def _signal(self, number: signal.Signals) -> None:
        if self._running is not None:
            with suppress(ProcessLookupError):
                os.killpg(self._running.pid, number)

    def _end_group(self) -> None:
        self._signal(signal.SIGKILL)


class ChaosStack:
    """The whole system on free ports, with data of its own. Use with `with`."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.servers = ServerSet()
        self.proxies = Proxies()
        self.processes: dict[str, Supervised] = {}
        self.environ: dict[str, str] = {}  # of the checker: no proxy between
        self.publisher_environ: dict[str, str] = {}
        self.fleet: Any = None  # of the simulator, once it is registered
        self.kept: psycopg.Connection[Any] | None = None  # by a fault, until it is healed
        self._stopping = threading.Event()
        self._supervisor = threading.Thread(target=self._supervise, name="supervisor", daemon=True)

    def start(self, *, say: Callable[[str], None]) -> None:
        """Start servers and proxies, create the schema. Raises `StackError`."""
        say("starting servers")
        self.servers.start()
        self.proxies.start()
        self.environ = {
            **{name: text for name, text in os.environ.items() if name in ("PATH", "HOME")},
            **self.servers.environ,
            "SECRET_KEY": secrets.token_hex(32),
            "WEB_HTTPS": "false",
            "DJANGO_SETTINGS_MODULE": "config.settings",
            "PATH": f"{PYTHON.parent}:/usr/local/bin:/usr/bin:/bin",
            "PYTHONPATH": str(REPOSITORY),
            "PYTHONUNBUFFERED": "1",
            "TZ": "UTC",
            "LOG_FORMAT": "console",
            # A lost task is found after this time; the default of a minute would only make the
            # run longer.
            "BATCH_STALE_AFTER_S": "5",
            "SILENCED_CHECKS": "telemetry.E005",  # batches that live are sent again, too
        }
        say("creating the schema")
        self.manage("migrate", "--noinput", "--verbosity", "0")
        self.publisher_environ = {
            **self.environ,
            "MQTT_PORT": str(self.proxies.add("gateway-mqtt", int(self.environ["MQTT_PORT"]))),
        }
        for name, servers in LINKS.items():
            environ = {**self.environ, "BRIDGE_CLIENT_ID": "bridge-1", "INGEST_CONCURRENCY": "2"}
            for server in servers:
                environ.update(self._link(f"{name}-{server}", server))
            argv = [str(START_SCRIPTS / SCRIPTS[name])]
            self.processes[name] = Supervised(name, argv, environ, self.folder / f"{name}.log")

    def begin(self) -> None:
        """Start the processes; from now on what dies is started again."""
        self.want_all()
        self._supervisor.start()

    def want_all(self) -> None:
        """Let every process run."""
        for process in self.processes.values():
            process.is_wanted = True

    def find(self, name: str) -> RunningServer:
        """A server by its name."""
        servers = self.servers
        return {"mosquitto": servers.mosquitto, "redis": servers.redis}.get(name, servers.postgres)

    def restore_server(self, name: str) -> None:
        """Have a server that runs and answers, whatever was done to it. Raises `StackError`."""
        server = self.find(name)
        give_up_at = time.monotonic() + 60
        while True:
            try:
                resume_tree(server.pid)
                server.wait_until_ready()
            except (StackError, ProcessLookupError, psutil.NoSuchProcess):
                if time.monotonic() > give_up_at:
                    raise
                time.sleep(0.2)
                server.launch()
            else:
                return

    def manage(self, *arguments: str) -> None:
        """Run a management command to its end. Raises `StackError` with what it said."""
        done = subprocess.run(
            [str(PYTHON), "manage.py", *arguments],
            check=False,
            cwd=REPOSITORY,
            env=self.environ,
            capture_output=True,
            text=True,
        )
        if done.returncode:
            raise StackError(f"{arguments[0]} failed:\n{done.stdout}{done.stderr}")

    def stop(self) -> None:
        """End everything that this run started, and delete its data."""
        self._stopping.set()
        if self._supervisor.is_alive():
            self._supervisor.join(10)
        for process in self.processes.values():
            process.is_wanted = False
            process.kill()
        self.proxies.stop()
        self.servers.stop()

    def _link(self, name: str, server: str) -> dict[str, str]:
        variable = {"mqtt": "MQTT_PORT", "redis": "REDIS_URL", "postgres": "DATABASE_URL"}[server]
        value = self.environ[variable]
        if server == "mqtt":
            return {variable: str(self.proxies.add(name, int(value)))}
        address = urlsplit(value)
        port = self.proxies.add(name, int(address.port or 0))
        login = address.netloc.rpartition("@")[0]
        return {variable: address._replace(netloc=f"{login}@{HOST}:{port}").geturl()}

    def _supervise(self) -> None:
        while not self._stopping.wait(LOOK_EVERY_S):
            for process in self.processes.values():
                process.look(now_s=time.monotonic())


def stop_tree(pid: int) -> None:
    """SIGSTOP a process and its children."""
    _signal_tree(pid, signal.SIGSTOP)


def resume_tree(pid: int) -> None:
    """SIGCONT a process and its children."""
    _signal_tree(pid, signal.SIGCONT)


def _signal_tree(pid: int, number: signal.Signals) -> None:
    parent = psutil.Process(pid)
    for process in (parent, *parent.children(recursive=True)):
        with suppress(psutil.NoSuchProcess):
            process.send_signal(number)
