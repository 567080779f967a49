"""A batch is traced from the first PUBLISH to the commit: bridge and worker make one trace of it,
which a receiver gets over HTTP as OpenTelemetry says."""

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import closing
from typing import Any

import pytest

from config.celery import app
from config.env import SettingError, read_options
from config.options import IngestOptions, TraceOptions
from ingest_bridge.collector import Collector, FlushPolicy
from ingest_bridge.sender import Sender
from telemetry.core.traces import root_span_id_of, trace_id_of
from telemetry.queue.batches import BatchQueue
from telemetry.queue.traces import find_missing, open_tracer
from telemetry.store.db.connection import Connection
from tests.forks import ROOT
from tests.messages import make_message
from tests.otlp import Sink, receive_traces
from workers.runner import open_runner

pytestmark = pytest.mark.integration

WITHIN = {"collect": "receive", "write to Redis": "receive", "queue": "receive",
          "store batch": "receive", "read": "store batch", "validate": "store batch",
          "guard": "store batch", "limits": "store batch", "store": "store batch",
          "presence": "store batch"}  # fmt: skip


@pytest.fixture
def sink() -> Iterator[Sink]:
    with receive_traces() as sink:
        yield sink


def bring(queue: BatchQueue, options: TraceOptions, *messages: Any) -> str:
    """As a bridge does it: the id of the batch."""
    tracer = open_tracer(options, service="tds-bridge", instance="bridge-1")
    sender = Sender(queue, client_id="bridge-1", tracer=tracer)
    collector = Collector(FlushPolicy(messages=100, payload_bytes=10_000, linger_s=0))
    for number, message in enumerate(messages):
        collector.add(message, packet_id=number + 1, now_s=time.monotonic())
    sender.start(collector.flush(now_s=time.monotonic()))
    assert sender.outgoing is not None
    batch_id = sender.outgoing.id
    assert sender.step(now_s=time.monotonic()) is not None
    sender.close()
    return batch_id


def store(queue: BatchQueue) -> None:
    """As a pool does it."""
    with closing(open_runner(read_options(IngestOptions), app, pool="ingest-1")) as runner:
        assert runner._claim_and_store(wait_s=0)
        runner._leave()
        runner._stages.flush()


@pytest.fixture
def ready(
    environ: dict[str, str], queue: BatchQueue, connection: Connection, fleet: None
) -> BatchQueue:
    """A queue with the app that calls workers."""
    return queue


def test_it_makes_one_trace_of_a_batch_from_publish_to_commit(
    ready: BatchQueue, sink: Sink, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TRACES_URL", sink.url)
    monkeypatch.setenv("TRACES_SHARE", "100")
    message = make_message()
    batch_id = bring(ready, read_options(TraceOptions), message)
    store(ready)
    spans = {span.name: span for _, span in sink.spans}
    assert set(spans) == {"receive", *WITHIN}
    assert len(sink.spans) == len(spans)
    assert {span.trace_id.hex() for span in spans.values()} == {f"{trace_id_of(batch_id):032x}"}
    root = spans["receive"]
    assert root.span_id.hex() == f"{root_span_id_of(batch_id):016x}"
    assert not root.parent_span_id
    for name, above in WITHIN.items():
        assert spans[name].parent_span_id == spans[above].span_id, name
        assert spans[name].start_time_unix_nano <= spans[name].end_time_unix_nano, name
    order = ["receive", "write to Redis", "read", "validate", "store", "presence"]
    starts = [spans[name].start_time_unix_nano for name in order]
    assert starts == sorted(starts)
    assert time.time_ns() - 60e9 < starts[0] < starts[-1] < time.time_ns()
    services = {span.name: service for service, span in sink.spans}
    assert (services["receive"], services["store"]) == ("tds-bridge", "tds-ingest")
    attributes = {one.key: one.value for one in root.attributes}
    assert attributes["tds.batch_id"].string_value == batch_id
    assert [one.string_value for one in attributes["tds.topics"].array_value.values] == [
        message.topic
    ]
    assert message.payload not in b"".join(span.SerializeToString() for span in spans.values())


def test_it_traces_the_share_that_is_wanted(
    ready: BatchQueue, sink: Sink, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TRACES_URL", sink.url)
    monkeypatch.setenv("TRACES_SHARE", "0.000001")
    bring(ready, read_options(TraceOptions), make_message())
    store(ready)
    assert not sink.spans


def test_it_stores_and_acknowledges_although_no_receiver_answers(
    ready: BatchQueue, connection: Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TRACES_URL", "http://127.0.0.1:1/v1/traces")
    monkeypatch.setenv("TRACES_SHARE", "100")
    monkeypatch.setattr("telemetry.queue.trace_export.TIMEOUT_S", 0.2)
    bring(ready, read_options(TraceOptions), make_message())
    store(ready)
    assert connection.execute("SELECT count(*) FROM batch").fetchone() == (1,)


def test_it_imports_nothing_of_opentelemetry_where_no_traces_are_wanted() -> None:
    look = (
        "import sys, workers.ingest, ingest_bridge.bridge\n"
        "from config.options import TraceOptions\n"
        "from telemetry.queue.traces import open_tracer\n"
        "assert open_tracer(TraceOptions(), service='', instance='') is None\n"
        "assert open_tracer(TraceOptions('http://x', 0.0), service='', instance='') is None\n"
        # Where it is installed, redis-py imports its metrics; requirements/traces.in says so.
        "names = ('opentelemetry.sdk.trace', 'opentelemetry.exporter')\n"
        "print([name for name in sys.modules if name.startswith(names)])"
    )
    environ = {
        "PATH": os.environ["PATH"],
        "REDIS_URL": "redis://x",
        "DATABASE_URL": "postgres://x/x",
    }
    done = subprocess.run(
        [sys.executable, "-c", look], cwd=ROOT, env=environ, check=True, capture_output=True
    )
    assert done.stdout.strip() == b"[]"


def test_it_says_what_to_install_where_traces_are_wanted_without_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("telemetry.queue.traces.NEEDED", ("opentelemetry_that_nobody_has",))
    assert find_missing(TraceOptions()) == ""
    with pytest.raises(SettingError, match=r"is not installed; pip install .*traces\.txt"):
        open_tracer(TraceOptions("http://x"), service="", instance="")


def test_it_says_what_an_address_of_traces_looks_like() -> None:
    with pytest.raises(SettingError, match=r"TRACES_URL='host:4318': expected http://"):
        read_options(TraceOptions, {"TRACES_URL": "host:4318"})
