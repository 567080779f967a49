"""A web process before the demo fleet with its past, for pictures: on servers of its own."""

import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from urllib.request import urlopen

from msgspec import Struct

from compose.local.layout import PYTHON
from compose.local.ports import HOST
from tests.bench.rig import Rig, wait_until
from tests.chaos.supervised import Supervised
from tests.servers.free_ports import find_free_ports

FLEET = "telemetry/fleet/demo.json"
ACCOUNT, MEMBER = "Conta Teste Telemetria", "member"
ADMINISTRATOR = "administrator"
UNREGISTERED = 1_000
"""Gateways that nobody registered have numbers from here on: something for the workbench."""


class Stage(Struct, frozen=True):
    """Where the pages are, and who may look. `web`: the process, where it is ours."""

    url: str
    user: str
    password: str
    administrator: str
    administrator_password: str
    web: Supervised | None = None


def is_served(url: str) -> bool:
    """Whether the web process answers."""
    try:
        with urlopen(f"{url}/health", timeout=2) as reply:
            return bool(reply.status == 200)
    except OSError:
        return False


@contextmanager
def set_stage() -> Iterator[Stage]:
    """All that `make up` shows: the demo fleet, its past, some live messages. Raises
    `StackError`."""
    password = secrets.token_urlsafe(16)
    [port] = find_free_ports(1)
    with Rig(concurrency=2) as rig:
        static = rig.folder / "static"
        rig.environ |= {
            "MEMBER_PASSWORD": password, "ADMIN_PASSWORD": password,
            "WEB_SECOND_FACTOR": "nobody", "STATIC_ROOT": str(static),
        }  # fmt: skip
        rig.manage("collectstatic", "--noinput", "--verbosity", "0")
        rig.manage("load_fleet", FLEET)
        rig.manage("add_member", MEMBER, "--account", ACCOUNT, "--role", "owner")
        rig.manage("add_member", MEMBER, "--account", "Second Account", "--role", "viewer")
        rig.manage("ensure_admin", "--username", ADMINISTRATOR)
        rig.start("bridge")
        rig.start("worker-ingest")
        rig.start("worker-maintenance")
        rig.wait_for_bridge("bridge-1")
        rig.manage("load_demo_history")
        rig.start("simulate", SIMULATE_INTERVAL_S="60")
        rig.start("beat")
        address = f"{HOST}:{port}"
        web = rig.start("web", WEB_BIND=address, WEB_WORKERS="1")
        url = f"http://{address}"
        wait_until(lambda: is_served(url), timeout_s=60, what="the pages are served")
        unregistered = ("--first-gateway", str(UNREGISTERED), "--gateways", "3", "--rate", "3")
        rig.run([str(PYTHON), "-m", "tests.bench.load", *unregistered, "--seconds", "3"])
        yield Stage(url, MEMBER, password, ADMINISTRATOR, password, web)
