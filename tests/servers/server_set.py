"""The three servers for a test run: free ports, own data, always cleaned up.

with ServerSet() as servers:
    os.environ.update(servers.environ)
    servers.redis.kill()
    servers.redis.start()
"""

import atexit
import itertools
import os
import secrets
import shutil
import subprocess
from collections.abc import Iterable
from pathlib import Path
from typing import Self

import psutil

from compose.local.layout import LOCAL, StackError
from compose.local.processes import end_stack_processes
from compose.local.servers import mosquitto, postgres, redis
from compose.local.servers.mosquitto import Mosquitto
from compose.local.servers.postgres import Postgres
from compose.local.servers.redis import Redis
from compose.local.servers.rootfs import Rootfs, ensure_rootfs
from compose.local.servers.server import Place, Server
from tests.servers.free_ports import find_free_ports
from tests.servers.running import RunningServer

# Servers that run already, by what the tests call them. All or none.
GIVEN = (
    "TEST_DATABASE_URL",
    "TEST_REDIS_URL",
    "TEST_MQTT_HOST",
    "TEST_MQTT_PORT",
    "TEST_MQTT_BRIDGE_USER",
    "TEST_MQTT_BRIDGE_PASSWORD",
    "TEST_MQTT_GATEWAY_USER",
    "TEST_MQTT_GATEWAY_PASSWORD",
)
IN_MEMORY_GB = 1  # at most, of the data of one set: 0.1 in a whole run
FREE_GB = 6  # or the data lies on the disk
NUMBERS = itertools.count(1)
"""Of the sets of this process: it may have several at once."""


class ServerSet:
    """PostgreSQL with TimescaleDB, Redis and Mosquitto for one test run.

    When the environment names test servers (`TEST_DATABASE_URL` and the others), those are used
    and `postgres`, `redis` and `mosquitto` cannot be controlled: reading them raises `StackError`.
    `TEST_FSYNC=off` starts servers that leave it to the kernel when data comes to disk: what they
    answered outlives their end, not the machine's. Their data lies in memory then, if there is
    enough: on a disk a quarter of a test's time goes into making and deleting files.
    `TEST_CLUSTER` is a folder with the data of a stopped PostgreSQL of such a set, to begin with: a
    schema is migrated once for many sets.
    """

    def __init__(self, *, prefix: str = "tds_new", is_crash_safe: bool = True) -> None:
        self.environ: dict[str, str] = {}
        self._prefix = prefix
        self._is_crash_safe = is_crash_safe
        self._servers: dict[str, RunningServer] = {}
        self._place: Place | None = None
        self._name = f"{os.getpid()}-{next(NUMBERS)}"
        self._marker = LOCAL / "test" / self._name

    @property
    def is_given(self) -> bool:
        """Whether these are servers that ran already."""
        return not self._servers

    @property
    def is_migrated(self) -> bool:
        """Whether PostgreSQL began with a schema."""
        return not self.is_given and bool(os.environ.get("TEST_CLUSTER"))

    @property
    def postgres(self) -> RunningServer:
        return self._find("postgres")

    @property
    def redis(self) -> RunningServer:
        return self._find("redis")

    @property
    def mosquitto(self) -> RunningServer:
        return self._find("mosquitto")

    @property
    def data(self) -> Path:
        """The folder of the servers' data. Raises `StackError` when they are not ours."""
        if self._place is None:
            raise StackError("the servers are not under the control of this test run")
        return self._place.folder

    def start(self) -> None:
        """Start all three and wait until they serve."""
        self.environ["BRIDGE_SHARE_GROUP"] = secrets.token_hex(8)
        given = read_given()
        if given:
            self.environ |= given
            return
        rootfs = ensure_rootfs()
        remove_left_overs(rootfs)
        self._place = Place(rootfs, f"test-{self._name}")
        self._marker.mkdir(parents=True, exist_ok=True)
        atexit.register(self.stop)
        try:
            if not is_synced():
                mount_memory(self._place.folder)
            self._start_servers(self._place)
        except BaseException:
            self.stop()
            raise

    def stop(self) -> None:
        """End the servers and delete their data. Repeatable."""
        for server in self._servers.values():
            server.kill()
        self._servers = {}
        if self._place is not None:
            end_stack_processes(self._marker, data=self._place.folder)
            remove_data(self._place.folder)
            self._place = None
            shutil.rmtree(self._marker, ignore_errors=True)
        atexit.unregister(self.stop)

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def _find(self, name: str) -> RunningServer:
        if name not in self._servers:
            raise StackError(f"{name} is not under the control of this test run")
        return self._servers[name]

    def _start_servers(self, place: Place) -> None:
        sql, redis_port, plain, websocket, tls, service = find_free_ports(6)
        synced = is_synced()
        folder = os.environ.get("TEST_CLUSTER")
        cluster = Path(folder) if folder else None
        servers: tuple[Server, ...] = (
            Postgres(place, sql, make_passwords(postgres.ROLES), is_synced=synced, cluster=cluster),
            Redis(
                *(place, redis_port, make_passwords(redis.ROLES)),
                memory="512mb",
                is_synced=synced,
            ),
            Mosquitto(
                *(place, plain, websocket, tls, service),
                make_passwords(mosquitto.ROLES),
                secrets.token_hex(16),
                prefix=self._prefix,
                is_crash_safe=self._is_crash_safe,
            ),
        )
        for server in reversed(servers):
            server.prepare()
            log = self._marker / f"{server.name}.log"
            self._servers[server.name] = RunningServer(server, log=log, marker=self._marker)
            self._servers[server.name].launch()
            self.environ.update(server.environ())
        for running in self._servers.values():
            running.wait_until_ready()


def read_given() -> dict[str, str]:
    """The test servers that the environment names, under the names of the settings."""
    given = {name: os.environ[name] for name in GIVEN if os.environ.get(name)}
    missing = [name for name in GIVEN if name not in given]
    if given and missing:
        raise StackError(
            f"{', '.join(given)} given, but {', '.join(missing)} is missing: "
            "set all of them to use servers that run already, or none"
        )
    return {name.removeprefix("TEST_"): value for name, value in given.items()}


def make_passwords(roles: Iterable[str]) -> dict[str, str]:
    """A new one for each role."""
    return {role: secrets.token_hex(16) for role in roles}


def is_synced() -> bool:
    """Whether servers bring their data to disk as the product's do."""
    return os.environ.get("TEST_FSYNC") != "off"


def mount_memory(folder: Path) -> None:
    """Have the data of a set in memory, where there is enough of it and mounting is allowed."""
    folder.mkdir(mode=0o755, parents=True, exist_ok=True)
    if psutil.virtual_memory().available < FREE_GB << 30:
        return
    argv = ["mount", "-t", "tmpfs", "-o", f"size={IN_MEMORY_GB}g,mode=755", "test", str(folder)]
    subprocess.run(argv, capture_output=True, check=False)


def remove_data(folder: Path) -> None:
    """Delete the data of a set whose servers ended."""
    if folder.is_mount():
        subprocess.run(["umount", "--lazy", str(folder)], capture_output=True, check=False)
    shutil.rmtree(folder, ignore_errors=True)


def remove_left_overs(rootfs: Rootfs) -> None:
    """End and delete what test runs left behind that were killed."""
    for folder in rootfs.data.glob("test-*"):
        name = folder.name.removeprefix("test-")
        owner = name.partition("-")[0]
        if owner.isdigit() and not Path(f"/proc/{owner}").exists():
            marker = LOCAL / "test" / name
            end_stack_processes(marker, data=folder)
            remove_data(folder)
            shutil.rmtree(marker, ignore_errors=True)
