"""The supervised programs of a stack: servers, then the product's processes, in start order."""

import os
import shlex
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from subprocess import CompletedProcess
from typing import IO

from compose.local.layout import (
    MARKER,
    PYTHON,
    REPOSITORY,
    START_SCRIPTS,
    UMASK,
    Layout,
    StackError,
)
from compose.local.ports import HOST
from compose.local.servers.rootfs import SERVER_ENVIRONMENT
from compose.local.servers.server import Server
from compose.local.stack.request import Request
from compose.local.stack.user import NO_HOME, become
from config.env import list_settings, read_options
from config.options import ALL_OPTIONS
from config.options.bridge import make_client_id

# Settings of the start scripts, which no options class holds. An empty FLEET_FILE means something:
# no demo fleet.
SCRIPT_SETTINGS = (
    "WEB_WORKERS",
    "WEB_THREADS",
    "INGEST_CONCURRENCY",
    "MAINTENANCE_CONCURRENCY",
    "SIMULATE_INTERVAL_S",
    "FLEET_FILE",
    "FLOWER_READ_ONLY",
)
# Who each start script is for PostgreSQL and Redis; the operator has the addresses without a role.
ROLES = {
    "web": "WEB",
    "enrolment": "WEB",
    "worker-ingest": "INGEST",
    "worker-maintenance": "MAINTENANCE",
    "beat": "BEAT",
    "metrics": "WEB",
    "flower": "FLOWER",
    "bridge": "BRIDGE",
    "simulate": "WEB",
    "demo-history": "OPERATOR",
}
ENDING = ("demo-history",)  # by themselves
WITHOUT_DATABASE = ("bridge", "flower")  # Flower needs none, but Django's settings ask for one
ADDRESSES = ("DATABASE_URL", "REDIS_URL")
ROLE_ADDRESSES = tuple(f"{role}_{name}" for role in set(ROLES.values()) for name in ADDRESSES)
NO_DATABASE = "postgres://none/none"
# What a process needs of the operator's shell.
SHELL_NAMES = ("HOME", "USER", "LANG", "TMPDIR")


@dataclass(frozen=True)
class Program:
    """One supervised process. `priority` orders start and stop: low starts first, stops last."""

    name: str
    argv: tuple[str, ...]
    environ: Mapping[str, str]
    priority: int
    stop_signal: str = "TERM"
    stop_wait_s: int = 30
    stop_group: bool = True
    ends: bool = False  # by itself, and is not started again then


def list_server_programs(servers: list[Server], *, marker: Path) -> list[Program]:
    """The servers. Their children are theirs to stop, so signals go to the server alone."""
    return [
        Program(
            name=server.name,
            argv=tuple(server.argv),
            environ={**SERVER_ENVIRONMENT, MARKER: str(marker)},
            priority=10,
            stop_signal=server.stop_signal,
            stop_wait_s=60,
            stop_group=False,
        )
        for server in servers
    ]


def list_processes(
    request: Request, values: Mapping[str, str], *, layout: Layout, user: int | None = None
) -> list[Program]:
    """The product's own processes for the set that was asked for."""
    base = build_process_environment(values, layout=layout)
    if user is not None:
        base["HOME"] = NO_HOME  # libpq takes it for an error when it may not look into root's
    signing = {name: base.pop(name) for name in ("CA_PASSPHRASE",) if name in base}
    web, flower = request.ports["WEB_PORT"], request.ports["FLOWER_PORT"]
    shown = {"FLOWER_PORT": str(flower), "FLOWER_DB": str(layout.flower / "tasks")}

    def program(name: str, script: str, priority: int, **extra: str) -> Program:
        argv = become(user, (str(START_SCRIPTS / script),))
        environ = {**limit_addresses(base, script=script), **extra}
        # A pool ends its children when they have stored what is in their hands.
        is_pool = script.startswith("worker-")
        return Program(
            name=name,
            argv=argv,
            environ=environ,
            priority=priority,
            stop_group=not is_pool,
            ends=script in ENDING,
        )

    processes = [
        program("web", "web", 20, WEB_BIND=f"{HOST}:{web}"),
        program("worker-maintenance", "worker-maintenance", 30, **signing),  # and nobody else
        program("beat", "beat", 40),
        program("flower", "flower", 50, FLOWER_ADDRESS=HOST, **shown),
    ]
    if base.get("METRICS_PORT", "0") != "0":
        processes.append(program("metrics", "metrics", 50))
    if "ENROLMENT_URL" in values:
        folder = values["MQTT_TLS_FOLDER"] if user is None else layout.tls
        extra = {
            "ENROLMENT_BIND": f"{HOST}:{request.ports['ENROLMENT_PORT']}",
            "ENROLMENT_CERT_FILE": f"{folder}/broker.crt",
            "ENROLMENT_KEY_FILE": f"{folder}/broker.key",
        }
        processes.append(program("enrolment", "enrolment", 20, **extra))
    for number in range(1, request.workers + 1):
        pool = f"ingest-{number}"
        processes.append(program(f"worker-{pool}", "worker-ingest", 30, INGEST_POOL=pool))
    for name, client_id in list_bridges(request, values).items():
        health_file = str(layout.health / f"{name}.health")
        extra = {"BRIDGE_CLIENT_ID": client_id, "BRIDGE_HEALTH_FILE": health_file}
        processes.append(program(name, "bridge", 60, **extra))
    if request.simulate:
        processes.append(program("simulator", "simulate", 90))
    if request.simulate and request.demo:
        processes.append(program("demo-history", "demo-history", 90))
    return sorted(processes, key=lambda process: (process.priority, process.name))


def limit_addresses(environ: Mapping[str, str], *, script: str) -> dict[str, str]:
    """The environment of a process that knows the passwords of its own role only.

    A server that runs already may have one role for all: then there is no other address.
    """
    rest = {name: text for name, text in environ.items() if not name.endswith(ADDRESSES)}
    for name in ADDRESSES:
        address = environ.get(f"{ROLES[script]}_{name}", environ.get(name))
        if address is not None:
            rest[name] = address
    if script in WITHOUT_DATABASE:
        rest["DATABASE_URL"] = NO_DATABASE
    return rest


def list_bridges(request: Request, values: Mapping[str, str]) -> dict[str, str]:
    """The wanted bridges, and their client ids."""
    group = values["BRIDGE_SHARE_GROUP"]
    numbers = range(1, request.bridges + 1)
    return {f"bridge-{n}": make_client_id(str(n), share_group=group) for n in numbers}


def build_process_environment(values: Mapping[str, str], *, layout: Layout) -> dict[str, str]:
    """Settings from the operator's environment, over them the stack's, and a search path."""
    names = {described.name for options in ALL_OPTIONS for described, *_ in list_settings(options)}
    return {
        **{name: os.environ[name] for name in names if os.environ.get(name)},
        **{name: os.environ[name] for name in ROLE_ADDRESSES if os.environ.get(name)},
        **{name: os.environ[name] for name in SHELL_NAMES + SCRIPT_SETTINGS if name in os.environ},
        **values,
        "PATH": f"{PYTHON.parent}:/usr/local/bin:/usr/bin:/bin",
        "PYTHONPATH": str(REPOSITORY),
        "PYTHONUNBUFFERED": "1",
        "DJANGO_SETTINGS_MODULE": "config.settings",
        "TZ": "UTC",
        MARKER: str(layout.folder),
    }


def run(
    argv: Sequence[str],
    environ: Mapping[str, str],
    *,
    timeout_s: float | None = None,
    log: IO[str] | None = None,
) -> CompletedProcess[str]:
    """Run a command of the product to its end; its output is returned, or goes to the log.

    Raises `StackError` when it takes too long.
    """
    try:
        return subprocess.run(
            argv,
            cwd=REPOSITORY,
            env=dict(environ),
            stdin=subprocess.DEVNULL,
            stdout=log or subprocess.PIPE,
            stderr=subprocess.STDOUT if log else subprocess.PIPE,
            text=True,
            timeout=timeout_s,
            check=False,
            umask=UMASK,
        )
    except subprocess.TimeoutExpired as error:
        command = shlex.join(argv)
        raise StackError(f"{command} did not end within {timeout_s:.0f} s") from error


def check_settings(environ: Mapping[str, str]) -> None:
    """Raise `SettingError` for the first setting that a process would reject."""
    for options in ALL_OPTIONS:
        read_options(options, environ)


def render_environment(environ: Mapping[str, str]) -> str:
    """An environment as a shell file."""
    return "".join(f"{name}={shlex.quote(environ[name])}\n" for name in sorted(environ))
