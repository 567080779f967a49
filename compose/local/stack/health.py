"""Whether the parts of a running stack serve: each is asked over its own protocol."""

import json
import os
import socket
import time
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit

import paho.mqtt.client as mqtt
import psycopg
from paho.mqtt.enums import CallbackAPIVersion
from paho.mqtt.reasoncodes import ReasonCode
from redis import Redis, RedisError
from redis.backoff import NoBackoff
from redis.retry import Retry

from compose.local.layout import PYTHON, StackError
from compose.local.stack.programs import run
from compose.local.stack.request import Request
from compose.probe import UnhealthyError, probe_http
from config.options import RedisOptions

TIMEOUT_S = 3.0


def probe_part(name: str, values: Mapping[str, str]) -> None:
    """Ask a server of the stack, its own or an external one, web or Flower.

    Raises `OSError`, whose text holds no secret.
    """
    if name == "web":
        probe_http(urlsplit(values["WEB_URL"]).netloc, "/health")
    elif name == "flower":
        probe_http(urlsplit(values["FLOWER_URL"]).netloc, "/healthcheck")
    elif name == "enrolment":  # it speaks with nobody who has no certificate of a gateway
        if url := values.get("ENROLMENT_URL"):
            parts = urlsplit(url)
            with socket.create_connection((parts.hostname, parts.port), TIMEOUT_S):
                pass
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
    if wait_s:  # at a start, what is past is no reason to give up
        argv.append("--starting")
    argv += ["--bridges", str(request.bridges), "--pools", str(request.workers + 1)]
    try:
        done = run(argv, environ, timeout_s=wait_s + 30)
        status: dict[str, Any] = json.loads(done.stdout)
    except StackError as error:
        return {"healthy": False, "problems": [str(error)]}
    except ValueError:
        text = (done.stderr.strip() or done.stdout.strip() or "no answer").splitlines()[-1]
        return {"healthy": False, "problems": [text]}
    return status


def probe_postgres(url: str) -> None:
    """Log in and run a statement; TimescaleDB must be there to be used."""
    try:
        with psycopg.connect(url, connect_timeout=int(TIMEOUT_S), autocommit=True) as connection:
            row = connection.execute(
                "select count(*) from pg_available_extensions where name = 'timescaledb'"
            ).fetchone()
    except psycopg.Error as error:
        lines = str(error).strip().splitlines() or [type(error).__name__]
        raise UnhealthyError(lines[0]) from error
    if row != (1,):
        raise UnhealthyError("the extension timescaledb is not installed on this PostgreSQL")


def probe_redis(url: str) -> None:
    """Log in and PING."""
    try:
        with Redis.from_url(
            url,
            **RedisOptions(url, ca_file=os.environ.get("REDIS_CA_FILE", "")).make_tls(),
            protocol=2,
            socket_timeout=TIMEOUT_S,
            socket_connect_timeout=TIMEOUT_S,
            retry=Retry(NoBackoff(), 0),
        ) as redis:
            redis.ping()
    except RedisError as error:
        raise UnhealthyError(str(error)) from error


def probe_mqtt(host: str, port: int, *, user: str, password: str) -> None:
    """Log in with MQTT 3.1.1 and a clean session, then leave."""
    client = mqtt.Client(CallbackAPIVersion.VERSION2, protocol=mqtt.MQTTv311)
    client.username_pw_set(user, password)
    client.connect_timeout = TIMEOUT_S
    answers: list[ReasonCode] = []
    client.on_connect = lambda _client, _data, _flags, reason, _properties: answers.append(reason)
    client.connect(host, port)
    deadline = time.monotonic() + TIMEOUT_S
    while not answers:
        if client.loop(timeout=0.1) != mqtt.MQTT_ERR_SUCCESS and not answers:
            raise UnhealthyError("the broker closed the connection without an answer")
        if time.monotonic() > deadline:
            raise UnhealthyError(f"the broker did not answer within {TIMEOUT_S:g} s")
    client.disconnect()
    if answers[0].is_failure:
        raise UnhealthyError(f"the broker refused user {user!r} ({answers[0]})")
