"""The settings of the running stack: made once, kept in `.local/stack.env`."""

import json
import os
import re
import secrets
from collections.abc import Mapping
from pathlib import Path
from urllib.parse import quote

from compose.local.layout import LOCAL, Layout, StackError, write_private
from compose.local.ports import HOST
from compose.local.servers import mosquitto, postgres, redis
from compose.local.stack.request import Request

DEMO_GATEWAY = "aa:bb:cc:dd:ee:ff"  # the first of telemetry/fleet/demo.json
SECRET_NAMES = (
    *(f"postgres_{role}" for role in postgres.ROLES),
    *(f"redis_{role}" for role in redis.ROLES),
    *(f"mqtt_{role}" for role in mosquitto.ROLES),
    "admin",
    "member",
    "flower",
    "share",
    "ca",
)
# Where the operator's environment goes before what is made here.
OPERATORS_CHOICE = (
    "ALLOWED_HOSTS",
    "WEB_HTTPS",
    "DEMO",
    "WEB_SECOND_FACTOR",
    "ADMIN_PASSWORD",
    "BRIDGE_SHARE_GROUP",
    "EMAIL_URL",
)
LINE = re.compile(r"([A-Z][A-Z0-9_]*)=(.*)")


def load_secrets(path: Path) -> dict[str, str]:
    """The random secrets of this checkout; what is missing is made and kept."""
    try:
        known = json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}
    except ValueError as error:
        raise StackError(f"{path} cannot be read ({error}): run make clean") from error
    found: dict[str, str] = {name: secrets.token_hex(16) for name in SECRET_NAMES}
    found |= {"secret_key": secrets.token_hex(32), **known}
    if found != known:
        write_private(path, json.dumps(found, indent=1) + "\n")
    return found


def build_values(
    request: Request, stack_secrets: Mapping[str, str], servers: Mapping[str, str]
) -> dict[str, str]:
    """Every setting of the stack. `servers` holds addresses and credentials of the servers."""
    web, flower = request.ports["WEB_PORT"], request.ports["FLOWER_PORT"]
    values = dict(servers)
    values.update(
        WEB_URL=f"http://{HOST}:{web}",
        FLOWER_URL=f"http://{HOST}:{flower}",
        ADMIN_USER="admin",
        ADMIN_PASSWORD=stack_secrets["admin"],
        FLOWER_USER="flower",
        FLOWER_PASSWORD=stack_secrets["flower"],
        FLOWER_BASIC_AUTH=f"flower:{stack_secrets['flower']}",
        SECRET_KEY=stack_secrets["secret_key"],
        BRIDGE_SHARE_GROUP=f"ingest-{stack_secrets['share']}",
        ALLOWED_HOSTS=f"{HOST},localhost",
        WEB_HTTPS="0",
        DEMO="1",
        WEB_SECOND_FACTOR="nobody",
        STATIC_ROOT=str(LOCAL / "static"),
        EMAIL_URL=f"file://{quote(str(LOCAL / 'mail'))}",
    )
    if "CA_FOLDER" in servers:
        values["ENROLMENT_URL"] = f"https://{HOST}:{request.ports['ENROLMENT_PORT']}"
    if "FLEET_FILE" not in os.environ:  # somebody to look at the demo fleet with
        values.update(DEMO_MEMBER="member", MEMBER_PASSWORD=stack_secrets["member"])
        if "CA_FOLDER" in servers:
            values.update(DEMO_GATEWAY=DEMO_GATEWAY)
    for name in OPERATORS_CHOICE:
        values[name] = os.environ.get(name) or values[name]
    return values


def write_stack_env(path: Path, values: Mapping[str, str]) -> None:
    """Lines that a shell and a simple parser read alike: no value needs quotes."""
    for name, value in values.items():
        if re.search(r"[^A-Za-z0-9_.,:/@%+=?&~-]", value):
            raise StackError(
                f"{name} holds a character that {path.name} cannot: write it as %XX in a URL, or "
                "choose another password"
            )
    lines = [f"{name}={value}\n" for name, value in values.items()]
    write_private(path, f"{''.join(lines)}export {' '.join(values)}\n")


def read_stack_env(path: Path) -> dict[str, str]:
    """The values of the stack that runs or ran last; nothing when there was none."""
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        return {}
    return {m[1]: m[2] for m in map(LINE.fullmatch, text.splitlines()) if m}


def secrets_path(layout: Layout) -> Path:
    """Where the secrets are kept, over restarts and until `make clean`."""
    return layout.folder / "secrets.json"
