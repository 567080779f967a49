"""Ask a server over its own protocol whether it serves; each probe raises `OSError` if not.

No text holds a secret.
"""

import time

import paho.mqtt.client as mqtt
import psycopg
from paho.mqtt.enums import CallbackAPIVersion
from paho.mqtt.reasoncodes import ReasonCode
from redis import Redis, RedisError
from redis.backoff import NoBackoff
from redis.retry import Retry

from compose.probe import UnhealthyError

TIMEOUT_S = 3.0


def probe_postgres(url: str) -> None:
    """Log in and run a statement; TimescaleDB must be there to be used."""
    try:
        with psycopg.connect(url, connect_timeout=int(TIMEOUT_S), autocommit=True) as connection:
            row = connection.execute(
                "select count(*) from pg_available_extensions where name = 'timescaledb'"
            ).fetchone()
    except psycopg.Error as error:
        words = str(error).strip().splitlines() or [type(error).__name__]
        raise UnhealthyError(words[0]) from error
    if row != (1,):
        raise UnhealthyError("the extension timescaledb is not installed on this PostgreSQL")


def probe_redis(url: str) -> None:
    """Log in and PING."""
    try:
        with Redis.from_url(
            url,
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
