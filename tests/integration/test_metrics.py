"""Metrics say what Redis and the database hold."""

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.parser import text_string_to_metric_families
from redis import Redis

from telemetry.core.batch import REFRESH_TASK
from telemetry.metrics.collector import Exporter
from telemetry.metrics.names import BY_NAME, METRICS
from telemetry.models import TaskRun
from telemetry.queue.batches import BatchQueue
from telemetry.queue.bridges import BRIDGE_KEY
from telemetry.queue.pools import note_progress
from telemetry.store.db.connection import Connection, open_connection
from tests.integration.store.ingest import claimed, store
from tests.messages import make_message

pytestmark = pytest.mark.integration


@pytest.fixture
def connect(database_url: str) -> Callable[[], Connection]:
    return lambda: open_connection(database_url, name="m", statement_timeout_s=60)


@pytest.fixture
def export(queue: BatchQueue, connect: Any) -> Callable[[], Exporter]:
    """Makes an exporter, as the process makes one at its start."""
    return lambda: Exporter(queue.redis, connect)


def scrape(exporter: Exporter) -> dict[str, float]:
    """Samples by name and labels, as Prometheus reads them."""
    registry = CollectorRegistry()
    registry.register(exporter)
    text = generate_latest(registry).decode()
    found = {}
    for family in text_string_to_metric_families(text):
        for sample in family.samples:
            labels = ",".join(f"{name}={value}" for name, value in sample.labels.items())
            found[f"{sample.name}{{{labels}}}" if labels else sample.name] = sample.value
    return found


def store_now(connection: Connection, *codes: str) -> None:
    """A message of now for each device, in one batch."""
    now = datetime.now(UTC)
    messages = (make_message(code=code, at=now.isoformat()) for code in codes)
    store(connection, *messages, batch=claimed(received_at=now))


def test_it_adds_up_what_was_stored(
    queue: BatchQueue, connection: Connection, fleet: None, export: Callable[[], Exporter]
) -> None:
    exporter = export()
    store_now(connection, "D01", "X")
    note_progress(queue.redis, "ingest-1")
    TaskRun.objects.create(name=REFRESH_TASK, success_at=datetime.now(UTC), duration_ms=12)
    queue.redis.set(f"{BRIDGE_KEY}b", b'{"host":"h","pid":1,"at":1,"state":"ready"}')
    queue.redis.hset("ingest:broker", mapping={"dropped": 3, "dropped_at": 1})
    first = scrape(exporter)
    expected: dict[str, Any] = {
        "tds_up{part=redis}": 1, "tds_up{part=database}": 1,
        "tds_messages_total{outcome=stored}": 1, "tds_messages_total{outcome=rejected}": 1,
        "tds_store_seconds_count": 2, "tds_store_seconds_bucket{le=5.0}": 2,
        "tds_batch_messages_count": 1, "tds_batch_messages_sum": 2,
        "tds_batch_messages_bucket{le=10.0}": 1, "tds_batch_messages_bucket{le=1.0}": 0,
        "tds_dead_letters_waiting{reason=unknown_device}": 1,
        "tds_broker_dropped_total": 3, "tds_bridges{state=ready}": 1, "tds_guard_holding": 0,
        "tds_task_run_seconds{task=telemetry.refresh_aggregates}": 0.012,
    }  # fmt: skip
    assert {name: first.get(name) for name in expected} == expected
    assert {name for name in BY_NAME if BY_NAME[name].kind != "histogram"} <= {
        name.partition("{")[0] for name in first
    }
    assert first["tds_reading_lag_seconds{quantile=0.5}"] < 5
    store_now(connection, "D01")
    second = scrape(exporter)
    assert second["tds_messages_total{outcome=stored}"] == 2
    assert second["tds_batch_messages_count"] == 2
    assert scrape(export())["tds_messages_total{outcome=stored}"] == 2, "a restart"


def test_it_counts_each_batch_once_when_it_is_settled(
    connection: Connection, fleet: None, export: Callable[[], Exporter]
) -> None:
    exporter = export()
    store_now(connection, "D01")
    before = scrape(exporter)
    connection.execute("UPDATE batch SET stored_at = stored_at - interval '1 hour'")
    connection.execute("UPDATE batch SET received_at = received_at - interval '1 hour'")
    settled = export()
    for _ in range(3):
        after = scrape(settled)
        for name in ("tds_messages_total{outcome=stored}", "tds_store_seconds_count"):
            assert after[name] == before[name] == 1


def test_it_says_what_does_not_answer(connection: Connection, connect: Any) -> None:
    found = scrape(Exporter(Redis(port=1), connect))
    parts = {part: found[f"tds_up{{part={part}}}"] for part in ("redis", "database", "report")}
    assert parts == {"redis": 0, "database": 1, "report": 0}
    assert "tds_pending_messages" not in found
    assert found["tds_gateways{presence=online}"] == 0
    assert {name.partition("{")[0] for name in found} <= {
        f"{metric.name}{end}" for metric in METRICS for end in ("", "_bucket", "_count", "_sum")
    }
