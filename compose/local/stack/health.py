"""Whether the parts of a running stack serve."""

import json
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit

from compose.local.layout import PYTHON, StackError
from compose.local.servers.probes import probe_mqtt, probe_postgres, probe_redis
from compose.local.stack.programs import run
from compose.local.stack.request import Request
from compose.probe import probe_http


def probe_part(name: str, values: Mapping[str, str]) -> None:
    """Ask a server of the stack, its own or a given one, web or Flower. Raises `OSError`."""
    if name == "web":
        probe_http(urlsplit(values["WEB_URL"]).netloc, "/health")
    elif name == "flower":
        probe_http(urlsplit(values["FLOWER_URL"]).netloc, "/healthcheck")
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
    argv = [str(PYTHON), "manage.py", "pipeline_status", "--json", "--wait", str(wait_s)]
    if wait_s:  # at a start, what was overdue while all was down is no reason to give up
        argv.append("--no-tasks")
    argv += ["--bridges", str(request.bridges), "--pools", str(request.workers + 1)]
    try:
        done = run(argv, environ, timeout_s=wait_s + 30)
        status: dict[str, Any] = json.loads(done.stdout)
    except StackError as error:
        return {"healthy": False, "problems": [str(error)]}
    except ValueError:
        words = (done.stderr.strip() or done.stdout.strip() or "no answer").splitlines()[-1]
        return {"healthy": False, "problems": [words]}
    return status
