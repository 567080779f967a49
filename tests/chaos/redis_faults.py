"""What happens to Redis alone: no memory, no disk."""

import subprocess
import time
from pathlib import Path

from redis import Redis

from compose.local.layout import StackError
from telemetry.core.batch import PENDING_KEY
from tests.chaos.cause import Cause, restore
from tests.chaos.schedule import Kind
from tests.chaos.stack import ChaosStack

LIMIT = "512mb"
DRAINED_WITHIN_S = 60.0


def list_redis() -> list[Cause]:
    """Every kind."""
    return [
        Cause(Kind("redis: out of memory", "redis"), fill_redis, empty_redis),
        Cause(Kind("redis: full until all is stored", "redis"), fill_for_long, empty_when_drained),
        Cause(Kind("redis: disk full", "redis"), fill_redis_disk, restore("redis")),
    ]


def fill_redis(stack: ChaosStack) -> None:
    """Every write is answered with OOM."""
    with _redis(stack) as redis:
        redis.config_set("maxmemory", "1mb")


def empty_redis(stack: ChaosStack) -> None:
    """Room again."""
    with _redis(stack) as redis:
        redis.config_set("maxmemory", LIMIT)


def fill_for_long(stack: ChaosStack) -> None:
    """The limit lies below what is used by now: what empties it must work without room."""
    with _redis(stack) as redis:
        used = int(redis.info("memory")["used_memory"])
        redis.config_set("maxmemory", used * 95 // 100)


def empty_when_drained(stack: ChaosStack) -> None:
    """Room again, but not before everything that Redis held is stored. Raises `StackError`."""
    give_up_at = time.monotonic() + DRAINED_WITHIN_S
    with _redis(stack) as redis:
        try:
            while pending := redis.zcard(PENDING_KEY):
                if time.monotonic() > give_up_at:
                    raise StackError(
                        f"{pending} batches still wait after {DRAINED_WITHIN_S:.0f} s in a Redis "
                        "that stays full"
                    )
                time.sleep(0.1)
        finally:
            redis.config_set("maxmemory", LIMIT)


def fill_redis_disk(stack: ChaosStack) -> None:
    """No byte more can be written to a file: with `appendfsync always` Redis ends at once."""
    pid = stack.find("redis").pid
    owner = Path(f"/proc/{pid}").stat()
    # Root may not lower the limits of others without CAP_SYS_RESOURCE; its owner may.
    subprocess.run(
        ["prlimit", f"--pid={pid}", "--fsize=1"],
        check=True,
        user=owner.st_uid,
        group=owner.st_gid,
        capture_output=True,
    )


def _redis(stack: ChaosStack) -> Redis:
    return Redis.from_url(stack.environ["REDIS_URL"], socket_timeout=5)
