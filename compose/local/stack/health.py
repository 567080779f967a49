"""Whether the parts of a running stack serve."""

import json
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit

from compose.local.layout import StackError
from compose.local.servers.probes import probe_http, probe_mqtt, probe_postgres, probe_redis
from compose.local.stack.programs import run_python
from compose.local.stack.request import Request


def probe_part(name: str, values: Mapping[str, str]) -> None:
    """Ask a server of the stack, its own or a given one, web or Flower. Raises `OSError`."""
    if name == "web":
        probe_http(values["WEB_URL"], "/health")
    elif name == "flower":
        probe_http(values["FLOWER_URL"], "/healthcheck")
    elif name == "postgres":
        probe_postgres(values["DATABASE_URL"])
    elif name == "redis":
        probe_redis(values["REDIS_URL"])
    else:
        user = "ADMIN" if "MQTT_ADMIN_USER" in values else "BRIDGE"
        probe_mqtt(
            values["MQTT_HOST"],
            int(values["MQTT_PORT"]),
            user=values[f"MQTT_{user}_USER"],
            password=values[f"MQTT_{user}_PASSWORD"],
        )


def check_part(name: str, values: Mapping[str, str]) -> str:
    """What is wrong with a server, web or Flower; empty when it serves."""
    try:
        probe_part(name, values)
    except OSError as error:
        return str(error) or type(error).__name__
    return ""


def describe_address(name: str, values: Mapping[str, str]) -> str:
    """Host and port of a server, without credentials."""
    if name == "mosquitto":
        return f"{values['MQTT_HOST']}:{values['MQTT_PORT']}"
    parts = urlsplit(values["DATABASE_URL" if name == "postgres" else "REDIS_URL"])
    return f"{parts.hostname}:{parts.port or ''}"


def read_pipeline(
    request: Request, environ: Mapping[str, str], *, wait_s: float = 0.0
) -> dict[str, Any]:
    """What `manage.py pipeline_status` says; an error is a problem like another."""
    arguments = ["manage.py", "pipeline_status", "--json", "--wait", str(wait_s)]
    if wait_s:  # at a start, what was overdue while all was down is no reason to give up
        arguments.append("--no-tasks")
    arguments += ["--bridges", str(request.bridges), "--pools", str(request.workers + 1)]
    try:
        done = run_python(arguments, environ, timeout_s=wait_s + 30)
    except StackError as error:
        return {"healthy": False, "problems": [str(error)]}
    try:
        status: dict[str, Any] = json.loads(done.stdout)
    except ValueError:
        words = (done.stderr.strip() or done.stdout.strip() or "no answer").splitlines()[-1]
        return {"healthy": False, "problems": [words]}
    return status
