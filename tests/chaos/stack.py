"""Servers, proxies and processes of one run, and a supervisor that starts again what died."""

import os
import secrets
import signal
import subprocess
import threading
import time
from collections.abc import Callable, Iterable
from contextlib import suppress
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import psutil
import psycopg

from compose.local.layout import PYTHON, REPOSITORY, START_SCRIPTS, StackError
from compose.local.ports import HOST
from tests.chaos.fleets import ScheduleFleet
from tests.chaos.lost import Damage
from tests.chaos.proxy import Proxies
from tests.chaos.supervised import Supervised
from tests.servers.running import RunningServer
from tests.servers.server_set import ServerSet

LOOK_EVERY_S = 0.1

# A lost task is found after these times, and pauses outlast them: the defaults would only make runs
# longer. A statement must end before its batch counts as lost.
STALE_S = 5
VISIBILITY_S = 30
STATEMENT_S = 4

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


class ChaosStack:
    """The whole system on free ports, with data of its own. Use with `with`."""

    def __init__(
        self, folder: Path, *, prepares: "Iterable[Callable[[ChaosStack], None]]" = ()
    ) -> None:
        """`prepares`: what some kinds of fault need before the first message."""
        self.folder = folder
        self._prepares = tuple(prepares)
        self.process_environ: dict[str, dict[str, str]] = {}  # beside that of all, by process
        self.servers = ServerSet()
        self.proxies = Proxies()
        self.processes: dict[str, Supervised] = {}
        self.environ: dict[str, str] = {}  # of the checker: no proxy between
        self.publisher_environ: dict[str, str] = {}
        self.fleets: dict[int, ScheduleFleet] = {}  # by the number of the schedule
        self.damage: Damage | None = None  # in runs that damage files
        self.kept: psycopg.Connection[Any] | None = None  # by a fault, until it is healed
        self.disks: dict[str, Path] = {}  # small file systems, by the server that lies on them
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
            "DEMO": "1",
            "WEB_HTTPS": "false",
            "DJANGO_SETTINGS_MODULE": "config.settings",
            "PATH": f"{PYTHON.parent}:/usr/local/bin:/usr/bin:/bin",
            "PYTHONPATH": str(REPOSITORY),
            "PYTHONUNBUFFERED": "1",
            "TZ": "UTC",
            "LOG_FORMAT": "console",
            "BATCH_STALE_AFTER_S": str(STALE_S),
            "CELERY_VISIBILITY_TIMEOUT_S": str(VISIBILITY_S),
            "INGEST_STATEMENT_TIMEOUT_S": str(STATEMENT_S),
            # Batches that live are sent again, too: the waits between tries are longer than these.
            "SILENCED_CHECKS": "telemetry.E005,telemetry.E006",
            # Clocks jump by an hour: what a gateway sends in time is no message from the future.
            "MAX_CLOCK_AHEAD_S": "7200",
        }
        for prepare in self._prepares:
            prepare(self)
        if not self.servers.is_migrated:
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
            environ.update(self.process_environ.get(name, {}))
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
        for server in self.disks:
            self.find(server).kill()
        for folder in self.disks.values():
            subprocess.run(["umount", "--lazy", str(folder)], capture_output=True, check=False)
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
