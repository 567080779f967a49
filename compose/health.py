"""Health of the process in this container: `python -m compose.health WHICH`, a key of `CHECKS`.

Asks for progress, not for the existence of a process. The bridge has a check of its own:
`python -m ingest_bridge --check`.
"""

import json
import socket
import sys
import time
from collections.abc import Callable
from typing import Any

from redis import RedisError

from compose.probe import TIMEOUT_S, UnhealthyError, probe_http
from config.env import SettingError, read_options
from config.options import RedisOptions
from config.queue import connect_redis
from telemetry.core.batch import BEAT_KEY

BEAT_STALE_S = 30.0


def check_worker() -> str:
    """Expect the Celery worker of this container to answer over the queue's Redis.

    A worker whose consumer lost its connection may look alive, but does not answer.
    """
    # Only this check needs Celery: the others stay quick.
    from config.celery import app  # noqa: PLC0415

    name = f"*@{socket.gethostname()}"
    replies = app.control.broadcast(
        "ping",
        reply=True,
        pattern=name,
        matcher="glob",  # type: ignore[arg-type]  # Celery sends the name of a matcher
        limit=1,
        timeout=TIMEOUT_S,
    )
    if not replies:
        raise UnhealthyError(f"no worker {name} answers within {TIMEOUT_S:g} s")
    return f"{', '.join(replies[0])} answers"


def check_beat() -> str:
    """Expect this container's beat to tick, or to wait for the lock of another beat."""
    redis = connect_redis(read_options(RedisOptions))
    signs: dict[str, Any] = {
        state: redis.get(f"{BEAT_KEY}{state}") for state in ("active", "waiting")
    }
    return find_beat(signs, host=socket.gethostname(), now=time.time())


def find_beat(signs: dict[str, Any], *, host: str, now: float) -> str:
    """Find a fresh sign of life of `host`. `now` in Unix seconds. Raises `UnhealthyError`."""
    for state, sign in signs.items():
        if sign is None:
            continue
        seen = json.loads(sign)
        age_s = now - float(seen["at"])
        if seen["host"] == host and age_s <= BEAT_STALE_S:
            return f"beat is {state}, {age_s:.0f} s ago"
    raise UnhealthyError(f"beat of {host} gave no sign of life for {BEAT_STALE_S:g} s")


def check_enrolment() -> str:
    """Expect a connection. No more: nobody is answered without a certificate of a gateway."""
    try:
        socket.create_connection(("127.0.0.1", 8443), TIMEOUT_S).close()
    except OSError as error:
        raise UnhealthyError(f"port 8443 takes no connection: {error!r}") from error
    return "port 8443 takes connections"


CHECKS: dict[str, Callable[[], str]] = {
    # The ports of the container are fixed; which ports of the host lead there, compose says.
    "web": lambda: probe_http("127.0.0.1:8000", "/health"),
    "enrolment": check_enrolment,
    "flower": lambda: probe_http("127.0.0.1:5555", "/healthcheck"),
    "metrics": lambda: probe_http("127.0.0.1:9808", "/metrics"),
    "worker": check_worker,
    "beat": check_beat,
}


def main(arguments: list[str]) -> int:
    """Run one check: prints one line; 0 healthy, 1 unhealthy, 2 called wrongly."""
    if len(arguments) != 1 or arguments[0] not in CHECKS:
        shown = " ".join(arguments)
        print(f"error: {shown!r}: expected one of {', '.join(CHECKS)}", file=sys.stderr)
        return 2
    try:
        print(CHECKS[arguments[0]]())
    except SettingError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    except (RedisError, OSError) as error:
        print(f"unhealthy: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
