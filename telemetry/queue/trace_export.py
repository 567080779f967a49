"""The spans of batches, made with OpenTelemetry's SDK. Imported only where traces are wanted.

Spans are made when they are over, with the times that were noted, and sent by a thread of the SDK.
"""

from collections.abc import Iterable, Sequence
from typing import Any

from opentelemetry.context import Context
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from opentelemetry.sdk.trace.id_generator import IdGenerator, RandomIdGenerator
from opentelemetry.sdk.trace.sampling import ALWAYS_ON
from opentelemetry.trace import (
    NonRecordingSpan,
    SpanContext,
    SpanKind,
    TraceFlags,
    set_span_in_context,
)

from config.options import TraceOptions
from telemetry.core.traces import is_traced, root_span_id_of, trace_id_of
from telemetry.queue.traces import MOST_TOPICS, Span

TIMEOUT_S = 5.0


class Ids(IdGenerator):
    """Gives a span the ids of its batch, where they are set; otherwise random ones."""

    def __init__(self) -> None:
        self._random = RandomIdGenerator()
        self.root: tuple[int, int] | None = None

    def generate_trace_id(self) -> int:
        """128 bits."""
        return self.root[0] if self.root else self._random.generate_trace_id()

    def generate_span_id(self) -> int:
        """64 bits; those of the batch once."""
        if self.root is None:
            return self._random.generate_span_id()
        span_id, self.root = self.root[1], None
        return span_id

    def is_trace_id_random(self) -> bool:
        """The lower bits are not all random, so nobody may sample by them."""
        return False


class SpanMaker:
    """A `BatchTracer`. Makes the spans of one process. Not for several threads."""

    def __init__(
        self, options: TraceOptions, *, service: str, instance: str, exporter: Any = None
    ) -> None:
        """`exporter`: in the place of the one that sends to `options.url`."""
        if exporter is None:
            exporter = OTLPSpanExporter(endpoint=options.url, timeout=TIMEOUT_S)
        self._share = options.percent / 100
        self._ids = Ids()
        names = {"service.name": service, "service.instance.id": instance}
        self._provider = TracerProvider(
            sampler=ALWAYS_ON,  # which batches are traced is known before
            resource=Resource(names),
            id_generator=self._ids,
            shutdown_on_exit=False,
        )
        self._provider.add_span_processor(BatchSpanProcessor(exporter))
        self._tracer = self._provider.get_tracer("tds_telemetry")

    def is_traced(self, batch_id: str) -> bool:
        """Whether spans of this batch are wanted."""
        return is_traced(batch_id, share=self._share)

    def trace_receipt(
        self, batch_id: str, spans: Sequence[Span], *, messages: int, topics: Sequence[str]
    ) -> None:
        """A bridge took a batch: from the first message to the acknowledgement, and its parts."""
        self._ids.root = trace_id_of(batch_id), root_span_id_of(batch_id)
        attributes: dict[str, Any] = {
            "messaging.system": "mqtt", "messaging.batch.message_count": messages,
            "tds.batch_id": batch_id, "tds.topics": list(topics[:MOST_TOPICS]),
        }  # fmt: skip
        first, last = spans[0].began_ns, max(span.ended_ns for span in spans)
        root = self._tracer.start_span(
            "receive", context=_no_context(), kind=SpanKind.CONSUMER, attributes=attributes,
            start_time=first,
        )  # fmt: skip
        self._add(spans, _inside(root.get_span_context()))
        root.end(last)

    def trace_storing(
        self, batch_id: str, spans: Sequence[Span], *, received_ns: int, messages: int, group: int
    ) -> None:
        """A worker stored a batch, together with `group` others: its wait, and what was done."""
        above = _inside(
            SpanContext(
                trace_id_of(batch_id), root_span_id_of(batch_id), is_remote=True,
                trace_flags=TraceFlags(TraceFlags.SAMPLED),
            )
        )  # fmt: skip
        first, last = spans[0].began_ns, max(span.ended_ns for span in spans)
        self._add([Span("queue", min(received_ns, first), first)], above)
        whole = self._tracer.start_span(
            "store batch", context=above, kind=SpanKind.CONSUMER, start_time=first,
            attributes={
                "tds.batch_id": batch_id, "messaging.batch.message_count": messages,
                "tds.batches_together": group,
            },
        )  # fmt: skip
        self._add(spans, _inside(whole.get_span_context()))
        whole.end(last)

    def flush(self) -> None:
        """Send what is not sent yet."""
        self._provider.force_flush()

    def _add(self, spans: Iterable[Span], above: Any) -> None:
        for span in spans:
            made = self._tracer.start_span(span.name, context=above, start_time=span.began_ns)
            made.end(max(span.began_ns, span.ended_ns))


def _no_context() -> Any:
    return Context()


def _inside(context: Any) -> Any:
    return set_span_in_context(NonRecordingSpan(context), _no_context())
