"""The stack as it is or should be: servers, programs, settings, and what was asked for last."""

import json
from dataclasses import asdict, dataclass
from pathlib import Path

from compose.local.layout import Layout, write_private
from compose.local.servers import mosquitto, postgres, redis
from compose.local.servers.mosquitto import Mosquitto
from compose.local.servers.postgres import Postgres
from compose.local.servers.redis import Redis
from compose.local.servers.rootfs import ensure_rootfs, find_rootfs
from compose.local.servers.server import Place, Server
from compose.local.stack.programs import (
    Program,
    build_process_environment,
    check_settings,
    list_processes,
    list_server_programs,
)
from compose.local.stack.request import SERVER_PORTS, Request
from compose.local.stack.settings import build_values, load_secrets, secrets_path
from compose.local.stack.user import find_process_user

STACK = "stack"


@dataclass(frozen=True)
class Stack:
    """Everything that one `make up` runs."""

    request: Request
    servers: list[Server]
    values: dict[str, str]
    programs: list[Program]
    user: int | None  # of the programs that are no servers; None: whoever starts them


def plan_stack(request: Request, *, layout: Layout, environ: dict[str, str]) -> Stack:
    """Build the root filesystem if one is needed, and lay out servers and processes."""
    stack_secrets = load_secrets(secrets_path(layout))
    names = [name for name in SERVER_PORTS if name not in request.external_servers]
    place = Place(ensure_rootfs(), STACK) if names else None
    servers = [
        build_server(name, place, request, stack_secrets, environ) for name in names if place
    ]
    addresses = dict(request.external)
    for server in servers:
        addresses.update(server.environ())
    values = build_values(request, stack_secrets, addresses)
    check_settings(build_process_environment(values, layout=layout))
    programs = list_server_programs(servers, marker=layout.folder)
    user = find_process_user()
    programs += list_processes(request, values, layout=layout, user=user)
    return Stack(request, servers, values, programs, user)


def build_server(
    name: str,
    place: Place,
    request: Request,
    stack_secrets: dict[str, str],
    environ: dict[str, str],
) -> Server:
    """One server of the stack."""
    ports = request.ports
    if name == "postgres":
        passwords = {role: stack_secrets[f"postgres_{role}"] for role in postgres.ROLES}
        return Postgres(place, ports["POSTGRES_PORT"], passwords)
    if name == "redis":
        memory = environ.get("REDIS_MAXMEMORY") or "1gb"
        passwords = {role: stack_secrets[f"redis_{role}"] for role in redis.ROLES}
        return Redis(place, ports["REDIS_PORT"], passwords, memory=memory)
    passwords = {role: stack_secrets[f"mqtt_{role}"] for role in mosquitto.ROLES}
    prefix = environ.get("MQTT_TOPIC_PREFIX") or "tds_new"
    plain, websocket, tls, service = (ports[each] for each in SERVER_PORTS[name])
    return Mosquitto(
        place, plain, websocket, tls, service, passwords, stack_secrets["ca"], prefix=prefix
    )


def save_request(request: Request, layout: Layout) -> None:
    """Keep what runs, so that status and down need no variables."""
    write_private(layout.state, json.dumps(asdict(request), default=dict, indent=1) + "\n")


def load_request(layout: Layout) -> Request | None:
    """What runs or ran last."""
    try:
        return Request(**json.loads(layout.state.read_text(encoding="utf-8")))
    except (FileNotFoundError, ValueError, TypeError):
        return None


def find_data() -> Path | None:
    """Where the servers' data is, if there is a root filesystem."""
    rootfs = find_rootfs()
    return Place(rootfs, STACK).folder if rootfs else None
