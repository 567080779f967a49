"""Reads every metric from Redis and the database when Prometheus asks.

Nothing is counted for each message: what processes write anyway holds all of it, however many there
are. Pools count how long stages take, a batch at a time, and add it to Redis.
A part that does not answer is `tds_up` 0; its metrics are absent.
"""

import shutil
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from datetime import UTC, datetime, timedelta
from itertools import accumulate
from typing import Any

import psycopg
import structlog
from django.conf import settings
from django.db import DatabaseError, connection
from prometheus_client.core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
)
from prometheus_client.metrics_core import Metric as Family
from prometheus_client.registry import Collector
from redis import Redis, RedisError

from telemetry.certificates.status import find_ending
from telemetry.core.batch import (
    BEAT_KEY,
    COUNTERS_KEY,
    INGEST_QUEUE,
    MAINTENANCE_QUEUE,
    REFRESH_TASK,
    SESSIONS_KEY,
)
from telemetry.metrics.names import BATCH_MESSAGES, BY_NAME, STORE_SECONDS
from telemetry.queue.alarm import read_alarm
from telemetry.queue.batches import BatchQueue
from telemetry.queue.bridges import read_bridges
from telemetry.queue.levels import read_levels
from telemetry.queue.pools import read_pools
from telemetry.queue.stages import LAG, LAG_SECONDS, STAGE_SECONDS, read_stages
from telemetry.queue.tasks import count_claimed, count_waiting
from telemetry.store.db.connection import Connection
from telemetry.store.operations.delivery_report import read_report
from telemetry.store.operations.metrics import (
    OUTCOMES,
    LedgerReader,
    SlowSums,
    read_reading_lag,
    read_slow_sums,
    read_state,
    read_tasks,
)

SLOW_S = 60.0
"""How long what takes longer to read is shown again."""
CERTIFICATES_WITHIN = timedelta(days=14)
ERRORS = (RedisError, OSError, DatabaseError, psycopg.Error)

log = structlog.get_logger("telemetry.metrics")


class Exporter(Collector):
    """Collects all metrics; one scrape at a time."""

    def __init__(self, redis: Redis, connect: Callable[[], Connection]) -> None:
        self._redis, self._connect = redis, connect
        self._ledger = LedgerReader(seconds=STORE_SECONDS, sizes=BATCH_MESSAGES)
        self._slow: tuple[float, SlowSums, int] | None = None
        self._difference: tuple[float, int] | None = None
        self._lock = threading.Lock()

    def describe(self) -> Iterable[Family]:
        """Nothing, so that the registry asks no server at its start."""
        return []

    def collect(self) -> Iterator[Family]:
        """All families by the names of `names.py`."""
        with self._lock:
            started_s = time.perf_counter()
            families = Families()
            for part, read in (
                ("redis", self._read_redis),
                ("database", self._read_database),
                ("report", self._read_report),
            ):
                try:
                    read(families)
                except ERRORS as error:
                    log.warning("metrics_incomplete", part=part, error=repr(error)[:300])
                    families.set("tds_up", 0, part)
                else:
                    families.set("tds_up", 1, part)
            for path in settings.OPTIONS.alarms.disks:
                usage = shutil.disk_usage(path)
                percent = 100 * usage.used / max(1, usage.used + usage.free)
                families.set("tds_disk_used_percent", percent, path)
            families.set("tds_scrape_seconds", time.perf_counter() - started_s)
        yield from families.list()

    def _read_redis(self, families: "Families") -> None:
        redis, queue, now = self._redis, BatchQueue(self._redis), time.time()
        counters: Any = redis.hmget(COUNTERS_KEY, ["received_messages", "received_batches"])
        families.set("tds_messages_received_total", int(counters[0] or 0))
        families.set("tds_batches_received_total", int(counters[1] or 0))
        levels = read_levels(redis)
        families.set("tds_pending_messages", levels.pending_messages)
        families.set("tds_pending_oldest_seconds", levels.oldest_s)
        families.set("tds_redis_memory_percent", levels.memory_percent)
        families.set("tds_held_batches", queue.count_held())
        families.set("tds_guard_holding", bool(read_alarm(redis)))
        for name in (INGEST_QUEUE, MAINTENANCE_QUEUE):
            families.set("tds_queue_waiting", count_waiting(redis, name), name)
            families.set("tds_queue_claimed", count_claimed(redis, name), name)
        states = [bridge.state for bridge in read_bridges(redis)]
        for state in sorted({"ready", *states}):
            families.set("tds_bridges", states.count(state), state)
        families.set("tds_broker_sessions", int(redis.scard(SESSIONS_KEY)))
        families.set("tds_broker_dropped_total", queue.read_dropped().messages)
        events = queue.read_broker_events()
        families.set("tds_broker_lost_sessions_total", events.lost_sessions)
        refused: dict[str, int] = {}
        for name, count in events.denials.items():
            kind = name.partition("/")[0]
            refused[kind] = refused.get(kind, 0) + count
        for kind, count in {"denied": 0, **refused}.items():
            families.set("tds_broker_refusals_total", count, kind)
        for pool in read_pools(redis):
            if pool.progress_at:
                families.set("tds_pool_progress_seconds", now - pool.progress_at, pool.name)
            families.set("tds_pool_retries_total", pool.retries, pool.name)
        families.set("tds_beat_up", bool(redis.exists(BEAT_KEY + "active")))
        for stage in read_stages(redis):
            if stage.name == LAG:
                families.set_histogram(
                    "tds_commit_lag_seconds", LAG_SECONDS, stage.counts, total=stage.seconds
                )
            else:
                families.set_histogram(
                    "tds_stage_seconds", STAGE_SECONDS, stage.counts, stage.name,
                    total=stage.seconds,
                )  # fmt: skip

    def _read_database(self, families: "Families") -> None:
        if connection.connection is not None and not connection.is_usable():
            connection.close()
        state = read_state()
        families.set("tds_gateways", state.online, "online")
        families.set("tds_gateways", state.offline, "offline")
        families.set("tds_dirty_hours", state.dirty_hours)
        for kind, count in {"high": 0, **state.alarms}.items():
            families.set("tds_alarms_open", count, kind)
        families.set("tds_alarm_deliveries", state.deliveries_waiting, "waiting")
        families.set("tds_alarm_deliveries", state.deliveries_failed, "failed")
        families.set("tds_database_connections", state.connections)
        families.set("tds_database_connections_limit", state.connections_limit)
        self._read_ledger(families, state.now)
        for task in read_tasks():
            families.set("tds_task_success_seconds", task.success_age_s, task.name)
            families.set("tds_task_failing", task.is_failing, task.name)
            if task.run_ms is not None:
                families.set("tds_task_run_seconds", task.run_ms / 1000, task.name)
            if task.name == REFRESH_TASK:
                families.set("tds_aggregates_age_seconds", task.success_age_s)
        for quantile, lag_s in zip((0.5, 0.95, 0.99), read_reading_lag(), strict=False):
            families.set("tds_reading_lag_seconds", lag_s, str(quantile))
        self._read_slow(families)

    def _read_ledger(self, families: "Families", now: datetime) -> None:
        sums = self._ledger.read(now)
        for outcome, messages, readings in zip(OUTCOMES, sums.messages, sums.readings, strict=True):
            families.set("tds_messages_total", messages, outcome)
            families.set("tds_readings_total", readings, outcome)
        families.set_histogram(
            "tds_store_seconds", STORE_SECONDS, sums.by_seconds, total=sums.message_seconds
        )
        families.set_histogram(
            "tds_batch_messages", BATCH_MESSAGES, sums.by_size, total=sum(sums.messages)
        )

    def _read_slow(self, families: "Families") -> None:
        if self._slow is None or time.monotonic() - self._slow[0] > SLOW_S:
            ending = find_ending(before=datetime.now(UTC) + CERTIFICATES_WITHIN).count()
            self._slow = time.monotonic(), read_slow_sums(), ending
        _, sums, ending = self._slow
        families.set("tds_certificates_ending", ending)
        families.set("tds_database_bytes", sums.database_bytes)
        for reason, (total, waiting) in {"bad_json": (0, 0), **sums.dead_letters}.items():
            families.set("tds_dead_letters_total", total, reason)
            families.set("tds_dead_letters_waiting", waiting, reason)
        for rule, count in {"silent": 0, **sums.findings}.items():
            families.set("tds_findings_open", count, rule)

    def _read_report(self, families: "Families") -> None:
        if self._difference is None or time.monotonic() - self._difference[0] > SLOW_S:
            with self._connect() as own:
                difference = read_report(own, BatchQueue(self._redis)).difference
            self._difference = time.monotonic(), difference
        families.set("tds_difference_messages", self._difference[1])


class Families:
    """The families that are being filled."""

    def __init__(self) -> None:
        self._families: dict[str, Any] = {}

    def set(self, name: str, value: float, *labels: str) -> None:
        """Add a value. Raises `KeyError` for a name that is not in `names.py`."""
        metric = BY_NAME[name]
        if name not in self._families:
            kind = CounterMetricFamily if metric.kind == "counter" else GaugeMetricFamily
            self._families[name] = kind(name, metric.help, labels=metric.labels)
        self._families[name].add_metric(labels, float(value))

    def set_histogram(
        self, name: str, bounds: Iterable[float], counts: list[int], *labels: str, total: float
    ) -> None:
        """Add a histogram of counts by bound; the last count is of what is above all bounds."""
        texts = [*(str(float(bound)) for bound in bounds), "+Inf"]
        metric = BY_NAME[name]
        if name not in self._families:
            self._families[name] = HistogramMetricFamily(name, metric.help, labels=metric.labels)
        buckets = list(zip(texts, accumulate(counts), strict=True))
        self._families[name].add_metric(labels, buckets, total)

    def list(self) -> Iterable[Family]:
        """All that were filled."""
        return self._families.values()
