"""Traces of batches, from the first PUBLISH to the commit, sent to an OTLP receiver.

One batch in a hundred or so is traced as a whole: a span for each message would cost more than the
message. Bridge and worker know the trace by the batch's id (`telemetry/core/traces.py`).
"""

import time
from collections.abc import Sequence
from importlib import import_module
from importlib.util import find_spec
from typing import Protocol

from msgspec import Struct

from config.env import SettingError
from config.options import TraceOptions

MOST_TOPICS = 100
NEEDED = ("opentelemetry", "opentelemetry.sdk", "opentelemetry.exporter")


class Span(Struct, frozen=True):
    """Something that took from one instant to another, in nanoseconds since 1970."""

    name: str
    began_ns: int
    ended_ns: int


class BatchTracer(Protocol):
    """Makes the spans of one process: `telemetry.queue.trace_export`."""

    def is_traced(self, batch_id: str) -> bool:
        """Whether spans of this batch are wanted."""

    def trace_receipt(
        self, batch_id: str, spans: Sequence[Span], *, messages: int, topics: Sequence[str]
    ) -> None:
        """A bridge took a batch: from the first message to the acknowledgement, and its parts."""

    def trace_storing(
        self, batch_id: str, spans: Sequence[Span], *, received_ns: int, messages: int, group: int
    ) -> None:
        """A worker stored a batch, together with `group` others: its wait, and what was done."""

    def flush(self) -> None:
        """Send what is not sent yet."""


def open_tracer(options: TraceOptions, *, service: str, instance: str) -> BatchTracer | None:
    """A tracer, where traces are wanted: OpenTelemetry is imported only then. In a process that
    forks: after the fork. Raises `SettingError` where it is not installed."""
    if not options.url or not options.percent:
        return None
    if missing := find_missing(options):
        raise SettingError(missing)
    made: BatchTracer = import_module("telemetry.queue.trace_export").SpanMaker(
        options, service=service, instance=instance
    )
    return made


def find_missing(options: TraceOptions) -> str:
    """What to do where traces are wanted and OpenTelemetry is not installed; else empty."""
    if not options.url or all(find_spec(name) for name in NEEDED):
        return ""
    return (
        f"TRACES_URL={options.url!r}: expected with OpenTelemetry, which is not installed; "
        "pip install --require-hashes -r requirements/traces.txt"
    )


def to_unix_ns(monotonic_s: float) -> int:
    """An instant of `time.monotonic` as nanoseconds since 1970."""
    return time.time_ns() - round((time.monotonic() - monotonic_s) * 1e9)
