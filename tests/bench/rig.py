"""Servers and processes of one run. Everything ends, and all data is deleted, with the run."""

import json
import os
import secrets
import subprocess
import tempfile
import time
from collections.abc import Callable
from contextlib import ExitStack, suppress
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import psutil
import psycopg
from redis import Redis

from compose.local.layout import PYTHON, REPOSITORY, START_SCRIPTS, StackError
from compose.local.stack.programs import ADDRESSES, limit_addresses
from telemetry.core.batch import BRIDGE_KEY
from tests.chaos.supervised import Supervised
from tests.servers.server_set import ServerSet

SERVERS = ("mosquitto", "redis", "postgres")


class Rig:
    """Fresh servers with the schema, and what is started beside them. Use with `with`."""

    def __init__(
        self, *, concurrency: int, is_crash_safe: bool = True, migrates: bool = True
    ) -> None:
        """Not `migrates`: the schema is made by who uses it."""
        self._migrates = migrates
        self._is_tls = os.environ.get("BENCH_TLS") == "1"  # bridge and generator
        self.servers = ServerSet(is_crash_safe=is_crash_safe)
        self.environ: dict[str, str] = {}
        self._concurrency = concurrency
        self._exit = ExitStack()
        self.folder = Path(self._exit.enter_context(tempfile.TemporaryDirectory(prefix="bench-")))

    def __enter__(self) -> Self:
        try:
            self._exit.enter_context(self.servers)
            self.environ = {
                # A bench's gateways send more than any in the field.
                "LIMIT_GATEWAY_RATE": "1000000",
                "LIMIT_ACCOUNT_RATE": "1000000",
                "PATH": f"{PYTHON.parent}:/usr/local/bin:/usr/bin:/bin",
                "HOME": os.environ.get("HOME", "/"),
                **self.servers.environ,
                "SECRET_KEY": secrets.token_hex(32),
                "DEMO": "1",
                "WEB_HTTPS": "false",
                "DJANGO_SETTINGS_MODULE": "config.settings",
                "PYTHONPATH": str(REPOSITORY),
                "PYTHONUNBUFFERED": "1",
                "TZ": "UTC",
                **(self._speak_tls() if self._is_tls else {}),
                "BRIDGE_CLIENT_ID": "bridge-1",
                "INGEST_CONCURRENCY": str(self._concurrency),
            }
            if self._migrates and not self.servers.is_migrated:
                self.manage("migrate", "--verbosity", "0")
        except BaseException:
            self._exit.close()
            raise
        return self

    def _speak_tls(self) -> dict[str, str]:
        folder = self.servers.environ["MQTT_TLS_FOLDER"]
        return {
            "MQTT_PORT": self.servers.environ["MQTT_SERVICE_PORT"],
            "MQTT_TLS_CA_FILE": f"{folder}/ca.crt",
            "MQTT_TLS_CERT_FILE": f"{folder}/service.crt",
            "MQTT_TLS_KEY_FILE": f"{folder}/service.key",
        }

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._exit.close()

    def start(self, name: str, **environ: str) -> Supervised:
        """Start a process by its start script."""
        own = limit_addresses(self.environ, script=name)
        environ = {**{each: own[each] for each in ADDRESSES}, **environ}
        return self.launch(name, [str(START_SCRIPTS / name)], **environ)

    def launch(self, name: str, argv: list[str], **environ: str) -> Supervised:
        """Start a process. It is ended with the run."""
        environ = {**self.environ, **environ}
        process = Supervised(name, argv, environ, self.folder / f"{name}.log")
        process.is_wanted = True
        process.look(now_s=time.monotonic())
        self._exit.callback(process.kill)  # what was to be measured is, and no data is kept
        return process

    def manage(self, *arguments: str) -> str:
        """Run a management command to its end; what it printed. Raises `StackError`."""
        return self.run([str(PYTHON), "manage.py", *arguments])

    def run(self, argv: list[str]) -> str:
        """Run a command to its end; what it printed. Raises `StackError`."""
        done = subprocess.run(
            argv, check=False, cwd=REPOSITORY, env=self.environ, capture_output=True, text=True
        )
        if done.returncode:
            raise StackError(f"{' '.join(argv[1:3])} failed:\n{done.stdout}{done.stderr}")
        return done.stdout

    def ask(self, *what: str) -> dict[str, Any]:
        """What `ask.py` answers, in a process with the application's settings."""
        done = self.run([str(PYTHON), "-m", "tests.bench.ask", *what])
        answer: dict[str, Any] = json.loads(done)
        return answer

    def simulate(self, *, count: int, gateways: int = 50) -> None:
        """Publish `count` messages of 3 readings, as fast as the broker takes them."""
        fleet = ("--gateways", str(gateways))
        self.manage("simulate", *fleet, "--rate", "0", "--count", str(count))

    def wait_for_bridge(self, client_id: str) -> None:
        """Until a bridge is subscribed. Raises `StackError`."""
        with Redis.from_url(self.environ["REDIS_URL"]) as redis:
            wait_until(
                lambda: b'"ready"' in (redis.get(BRIDGE_KEY + client_id) or b""),
                timeout_s=30,
                what=f"{client_id} is subscribed",
            )

    def wait_for_rows(self, statement: str, *, count: int, timeout_s: float = 1200) -> int:
        """Until a query of one number gives `count`; what it gave. Raises `StackError`."""
        found = 0
        with psycopg.connect(self.environ["DATABASE_URL"], autocommit=True) as connection:

            def is_reached() -> bool:
                nonlocal found
                row = connection.execute(statement).fetchone()
                found = row[0] if row else 0
                return found >= count

            wait_until(is_reached, timeout_s=timeout_s, what=f"{count:,} by {statement!r}")
        return found

    def measure_cpu_s(self) -> dict[str, float]:
        """User and system time of each server so far."""
        return {name: tree_seconds(pid) for name, pid in self.list_servers().items()}

    def list_servers(self) -> dict[str, int]:
        """The process id of each server."""
        return {name: getattr(self.servers, name).pid for name in SERVERS}


def wait_until(condition: Callable[[], bool], *, timeout_s: float, what: str) -> None:
    """Return as soon as the condition holds. Raises `StackError` when it does not in time."""
    give_up_at = time.monotonic() + timeout_s
    while not condition():
        if time.monotonic() > give_up_at:
            raise StackError(f"not within {timeout_s:g} s: {what}")
        time.sleep(0.05)


def tree_seconds(pid: int) -> float:
    """CPU seconds of a process, its living children and those that ended."""
    process = psutil.Process(pid)
    ended = process.cpu_times()
    total = process_seconds(pid) + ended.children_user + ended.children_system
    for child in process.children(recursive=True):
        with suppress(ProcessLookupError):  # its time is its parent's by then
            total += process_seconds(child.pid)
    return float(total)


def process_seconds(pid: int) -> float:
    """User and system time of all threads, to the nanosecond: /proc counts hundredths of a second,
    which is more than the broker needs for 2,000 messages. Raises `ProcessLookupError`."""
    try:
        return time.clock_gettime((~pid << 3) | 2)  # as clock_getcpuclockid(3) names the clock
    except OSError as error:
        raise ProcessLookupError(pid) from error
