"""Every worker pool gives signs of life, with the heartbeat that Celery has anyway."""

import time
from functools import cache
from typing import Any

import structlog
from celery.signals import heartbeat_sent, worker_shutdown
from redis import Redis, RedisError

from config.env import read_options
from config.options import RedisOptions
from config.queue import connect_redis
from telemetry.queue.pings import note_end, note_seen

SIGN_EVERY_S = 10.0

log = structlog.get_logger("workers.signs")

_signed_s = float("-inf")


@cache
def _redis() -> Redis:
    return connect_redis(read_options(RedisOptions))


@heartbeat_sent.connect
def _give_sign(sender: Any, **_: object) -> None:
    """By the process that takes tasks, also while its children work."""
    global _signed_s  # noqa: PLW0603 - one pool a process
    now_s = time.monotonic()
    if now_s - _signed_s < SIGN_EVERY_S:
        return
    _signed_s = now_s
    try:
        note_seen(_redis(), sender.eventer.hostname)
    except RedisError as error:
        log.warning("redis_unavailable", error=str(error))


@worker_shutdown.connect
def _delete_sign(sender: Any, **_: object) -> None:
    try:
        note_end(_redis(), sender.hostname)
    except RedisError as error:
        log.warning("redis_unavailable", error=str(error))
