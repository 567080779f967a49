"""The Redis side: write a batch and call a worker for it if none is there, again and again until it
is done."""

import random
import time

import structlog
from kombu.exceptions import OperationalError
from redis import RedisError

from ingest_bridge.collector import Collected
from telemetry.core.retry import backoff_delay_s
from telemetry.queue.batches import BatchQueue, Written, new_id, pack_messages
from telemetry.queue.traces import MOST_TOPICS, BatchTracer, Span, to_unix_ns

LONGEST_DELAY_S = 2.0

log = structlog.get_logger("ingest_bridge")


class Outgoing:
    """A batch on its way to Redis. It keeps its id over retries, so that it counts once."""

    def __init__(self, collected: Collected) -> None:
        self.collected = collected
        self.count = len(collected.messages)
        self.body = pack_messages(collected.messages)
        self.received_us = time.time_ns() // 1000
        self.id = new_id()
        self.written: Written | None = None
        self.failures = 0
        self.due_at = 0.0
        self.topics: list[str] | None = None  # of what is traced
        collected.messages = []  # the body has them


class Sender:
    """Sends one batch after the other; never two at once, or retries could not be told apart."""

    def __init__(
        self, queue: BatchQueue, *, client_id: str, tracer: BatchTracer | None = None
    ) -> None:
        self._queue = queue
        self._tracer = tracer
        self._client_id = client_id
        self.outgoing: Outgoing | None = None
        self.storing_s = 0.0  # how long a batch takes from its write on until it is stored
        self.sent_messages = 0
        self.sent_batches = 0

    def start(self, collected: Collected) -> None:
        """Take a batch. Only when `outgoing` is None."""
        assert self.outgoing is None
        messages = collected.messages
        self.outgoing = Outgoing(collected)
        if self._tracer is not None and self._tracer.is_traced(self.outgoing.id):
            self.outgoing.topics = [message.topic for message in messages[:MOST_TOPICS]]

    def step(self, *, now_s: float) -> Collected | None:
        """Try to finish the outgoing batch; what may be acknowledged then, else None.

        Blocks no longer than Redis's socket timeout; after a failure the next try waits.
        """
        outgoing = self.outgoing
        if outgoing is None or now_s < outgoing.due_at:
            return None
        try:
            self._send(outgoing)
        except (RedisError, OperationalError, OSError) as error:
            outgoing.failures += 1
            delay_s = backoff_delay_s(
                outgoing.failures, chance=random.random(), longest_s=LONGEST_DELAY_S
            )
            outgoing.due_at = time.monotonic() + delay_s
            log.warning(
                "redis_unavailable",
                batch_id=outgoing.id,
                messages=outgoing.count,
                failures=outgoing.failures,
                delay_s=round(delay_s, 2),
                error=str(error),
            )
            return None
        if outgoing.failures:
            log.info("redis_back", batch_id=outgoing.id, failures=outgoing.failures)
        if outgoing.topics is not None:
            self._trace(outgoing, outgoing.topics)
        self.outgoing = None
        self.sent_messages += outgoing.count
        self.sent_batches += 1
        return outgoing.collected

    def close(self) -> None:
        """Send what traces are not sent yet."""
        if self._tracer is not None:
            self._tracer.flush()

    def _trace(self, outgoing: Outgoing, topics: list[str]) -> None:
        assert self._tracer is not None
        first_ns = to_unix_ns(outgoing.collected.first_s)
        packed_ns = outgoing.received_us * 1_000
        spans = [
            Span("collect", min(first_ns, packed_ns), packed_ns),
            Span("write to Redis", packed_ns, time.time_ns()),
        ]
        try:
            self._tracer.trace_receipt(outgoing.id, spans, messages=outgoing.count, topics=topics)
        except Exception as error:  # never a reason not to acknowledge what Redis has
            log.warning("trace_not_made", batch_id=outgoing.id, error=repr(error)[:200])

    def _send(self, outgoing: Outgoing) -> None:
        if outgoing.written is None:
            outgoing.written = self._queue.write(
                outgoing.id,
                outgoing.body,
                count=outgoing.count,
                source=self._client_id,
                producer=self._client_id,
                received_us=outgoing.received_us,
            )
            self.storing_s = outgoing.written.storing_s
        if outgoing.written.needs_worker:
            self._queue.ring()
