"""The reject guard of one worker process, with the alarm and the knowledge that all share."""

import math
import time
from collections.abc import Container, Sequence

import structlog
from msgspec import Struct
from redis import Redis

from config.options import IngestOptions
from telemetry.core.batch import IMPORT_SOURCE, REPLAY_SOURCE
from telemetry.core.validator import ValidatedMessage
from telemetry.queue.alarm import clear_alarm, is_overruled, raise_alarm, read_alarm
from telemetry.queue.heard import HeardExchange
from workers.guard import GuardPolicy, Heard, RejectGuard, hear

REQUESTED_SOURCES = (REPLAY_SOURCE, IMPORT_SOURCE)
"""What operators send themselves. It says nothing about the gateways of now: it neither teaches the
guard nor is it held, and it brings no gateway online. An import has a limit of its own."""

EXCHANGE_EVERY_S = 1.0

log = structlog.get_logger("workers.ingest")


class Approval(Struct, frozen=True):
    """Who sent the messages of a batch, and the positions of those that must be held."""

    heard: Heard
    held: list[int]


class PoolGuard:
    """Says what to hold. What one process found out is known to those that start later.

    Each process claims a part of the batches only, so one that rejects nearly everything asks the
    others what they heard: it tells what it heard itself, and all answer for as long as the window
    is. Where most gateways are served nobody asks.

    Every call may raise `redis.RedisError`.
    """

    def __init__(self, options: IngestOptions, redis: Redis) -> None:
        self._policy = GuardPolicy(
            options.guard_share, options.guard_gateways, options.guard_window_s
        )
        self._redis = redis
        self._exchange = HeardExchange(redis, window_s=options.guard_window_s)
        self._exchanged_at = self._looked_at = -math.inf
        self._guard: RejectGuard | None = None
        self._holds_faults = False

    def approve(
        self,
        source: str,
        validated_messages: Sequence[ValidatedMessage],
        *,
        known: Container[str],
    ) -> Approval:
        """Say which messages of a batch must be held. `known`: MACs of registered gateways."""
        heard = hear(validated_messages, known=known)
        if source in REQUESTED_SOURCES or not self._must_hold(heard):
            return Approval(heard, [])
        return Approval(
            heard,
            [
                index
                for index, validated_message in enumerate(validated_messages)
                if validated_message.mac in heard.rejected
            ],
        )

    def holds_rejected(self, source: str, mac: str) -> bool:
        """The same for a message that fails for an unknown reason and would become a dead letter:
        when those of all gateways do, the fault is ours. `mac`: empty when it is not registered."""
        if source in REQUESTED_SOURCES or not mac:
            return False
        self._holds_faults = self._must_hold(Heard(frozenset(), frozenset([mac])))
        return self._holds_faults

    def holds_faults(self, source: str) -> bool:
        """Whether messages that fail for unknown reasons are held: then a batch that fails need not
        be taken apart first, which would make a batch of each message."""
        if source in REQUESTED_SOURCES or not self._holds_faults:
            return False
        self._holds_faults = self._open_guard().is_tripped and not is_overruled(self._redis)
        if self._holds_faults:
            raise_alarm(self._redis, reason=self._open_guard().reason)
        return self._holds_faults

    def note_stored(self, source: str, heard: Heard) -> None:
        """Learn from a batch that was stored which gateways are served."""
        if source in REQUESTED_SOURCES:
            return
        guard = self._open_guard()
        was_tripped = guard.is_tripped
        now_s = time.monotonic()
        guard.note_served(heard.served, now_s=now_s)
        if now_s >= self._looked_at + EXCHANGE_EVERY_S:
            self._looked_at = now_s
            if guard.is_tripped or self._exchange.is_open():
                self._tell_and_learn(guard, now_s)
        if guard.is_borrowed and not read_alarm(self._redis):
            guard.let_go()
        if was_tripped and not guard.is_tripped:
            log.info("guard_let_go")
            clear_alarm(self._redis)

    def _must_hold(self, heard: Heard) -> bool:
        guard = self._open_guard()
        was_tripped = guard.is_tripped
        now_s = time.monotonic()
        holds = guard.holds(heard, now_s=now_s)
        if heard.rejected and not holds and guard.is_suspicious:
            self._tell_and_learn(guard, now_s)
            holds = guard.holds(heard, now_s=now_s)
        if not holds or is_overruled(self._redis):
            return False
        if not was_tripped:
            log.error("guard_tripped", reason=guard.reason)
        raise_alarm(self._redis, reason=guard.reason)
        return True

    def _tell_and_learn(self, guard: RejectGuard, now_s: float) -> None:
        """Tell what was heard since it was told last."""
        since_s = max(self._exchanged_at, now_s - self._policy.window_s)
        rejected, served = guard.list_since(since_s)
        learnt = self._exchange.tell(
            rejected=rejected, served=served, now_s=now_s, is_asking=guard.is_suspicious
        )
        self._exchanged_at = now_s
        guard.learn(rejected=learnt.rejected, served=learnt.served)

    def _open_guard(self) -> RejectGuard:
        if self._guard is None:
            self._guard = RejectGuard(self._policy, reason=read_alarm(self._redis))
        return self._guard
