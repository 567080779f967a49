"""How long the stages of storing take: counted for metrics, and noted for traces where these are
wanted. Per batch or group of batches, never per message."""

import time
from collections.abc import Iterable, Sequence
from contextlib import AbstractContextManager, nullcontext
from types import TracebackType

import structlog

from telemetry.queue.batches import ClaimedBatch
from telemetry.queue.stages import LAG, StageCounter
from telemetry.queue.traces import BatchTracer, Span, to_unix_ns
from telemetry.store.ingest.outcomes import ValidatedBatch
from workers.pool_guard import REQUESTED_SOURCES

NOTHING = nullcontext()

log = structlog.get_logger("workers.ingest")


class Stage:
    """One stage of one batch, or of a group (`batch_id` is empty). What raises is not counted."""

    __slots__ = ("_batch_id", "_began_s", "_name", "_watch")

    def __init__(self, watch: "StageWatch", name: str, batch_id: str) -> None:
        self._watch, self._name, self._batch_id = watch, name, batch_id
        self._began_s = 0.0

    def __enter__(self) -> None:
        self._began_s = time.monotonic()

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if kind is None:
            self._watch.note(self._name, self._began_s, time.monotonic(), batch_id=self._batch_id)


class StageWatch:
    """What one worker process notes. Without counter and tracer: nothing."""

    def __init__(
        self, counter: StageCounter | None = None, tracer: BatchTracer | None = None
    ) -> None:
        self.counter, self._tracer = counter, tracer
        self._traced: dict[str, list[Span]] = {}  # batches in hand whose trace is wanted

    def begin(self, batches: Iterable[ClaimedBatch]) -> None:
        """Batches were claimed."""
        if self.counter is None and self._tracer is None:
            return
        now_s = time.time()
        self._traced = {}
        for batch in batches:
            if self.counter is not None and batch.source not in REQUESTED_SOURCES:
                self.counter.add("queue", now_s - batch.received_us / 1_000_000)
            if self._tracer is not None and self._tracer.is_traced(batch.id):
                self._traced[batch.id] = []

    def watch(self, name: str, batch_id: str = "") -> AbstractContextManager[None]:
        """To be used with `with`."""
        if self.counter is None and not self._traced:
            return NOTHING
        return Stage(self, name, batch_id)

    def note(self, name: str, began_s: float, ended_s: float, *, batch_id: str = "") -> None:
        """Something took from one instant of `time.monotonic` to another."""
        if self.counter is not None:
            self.counter.add(name, ended_s - began_s)
        if self._traced:
            span = Span(name, to_unix_ns(began_s), to_unix_ns(ended_s))
            for traced, spans in self._traced.items():
                if traced == batch_id or not batch_id:
                    spans.append(span)

    def end(self, stored: Sequence[ValidatedBatch]) -> None:
        """Batches were stored: count how old their readings are, and send the traces."""
        if self.counter is not None:
            self._count_lag(self.counter, stored)
        if not self._traced or self._tracer is None:
            return
        for one in stored:
            batch = one.whole or one.batch
            spans = self._traced.pop(batch.id, None)
            if spans:
                try:
                    self._tracer.trace_storing(
                        batch.id, spans, received_ns=batch.received_us * 1_000,
                        messages=batch.messages_count, group=len(stored),
                    )  # fmt: skip
                except Exception as error:  # never a reason not to finish a stored batch
                    log.warning("trace_not_made", batch_id=batch.id, error=repr(error)[:200])

    def flush(self) -> None:
        """Send what traces are not sent yet."""
        if self._tracer is not None:
            self._tracer.flush()

    def _count_lag(self, counter: StageCounter, stored: Sequence[ValidatedBatch]) -> None:
        """Of one reading for each batch: the first good one."""
        now_s = time.time()
        for one in stored:
            if one.batch.source in REQUESTED_SOURCES:
                continue
            for message in one.validated_messages:
                if message.good:
                    counter.add(LAG, now_s - message.good[0][1] / 1_000_000)
                    break
