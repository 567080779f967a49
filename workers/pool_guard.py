"""The reject guard of one worker process, with the alarm that all share."""

import time

import structlog
from redis import Redis, RedisError

from config.options import IngestOptions
from telemetry.core.batch import IMPORT_SOURCE, REPLAY_SOURCE
from telemetry.core.judge import Verdict
from telemetry.queue.alarm import clear_alarm, is_overruled, raise_alarm, read_alarm
from telemetry.store.registry import Registry
from workers.guard import BatchHeldError, GuardPolicy, Heard, RejectGuard, hear

WANTED_SOURCES = (REPLAY_SOURCE, IMPORT_SOURCE)
"""What operators send themselves. It says nothing about the gateways of now, and holding it would
take the processes from live messages. An import has a limit of its own."""

log = structlog.get_logger("workers.ingest")


class PoolGuard:
    """Approves batches. What one process found out is known to those that start later."""

    def __init__(self, options: IngestOptions, redis: Redis, registry: Registry) -> None:
        self._policy = GuardPolicy(
            options.guard_share, options.guard_gateways, options.guard_window_s
        )
        self._redis = redis
        self._registry = registry
        self._guard: RejectGuard | None = None

    def approve(self, source: str, verdicts: list[Verdict]) -> None:
        """Raises `BatchHeldError` when the batch must wait."""
        if source in WANTED_SOURCES:
            return
        self._judge(hear(verdicts, known=self._registry.gateways))

    def approve_refused(self, source: str, mac: str) -> None:
        """The same for a message that fails for an unknown reason and would become a dead letter:
        when those of all gateways do, the fault is ours."""
        if source not in WANTED_SOURCES and mac in self._registry.gateways:
            self._judge(Heard(frozenset(), frozenset([mac])))

    def _judge(self, heard: Heard) -> None:
        guard = self._guard or self._start()
        was_tripped = guard.is_tripped
        if guard.holds(heard, now_s=time.monotonic()) and not is_overruled(self._redis):
            if not was_tripped:
                log.error("pool_paused", reason=guard.reason)
            raise_alarm(self._redis, reason=guard.reason)
            raise BatchHeldError(guard.reason)
        if was_tripped and not guard.is_tripped:
            log.info("pool_resumed")
            clear_alarm(self._redis)

    def _start(self) -> RejectGuard:
        try:
            reason = read_alarm(self._redis)
        except RedisError:
            reason = ""
        self._guard = RejectGuard(self._policy, reason=reason)
        return self._guard
