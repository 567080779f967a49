"""Every metric by its name: kind, unit, meaning and labels. Rules and dashboards use these only."""

from typing import Literal

from msgspec import Struct

Kind = Literal["counter", "gauge", "histogram"]

STORE_SECONDS = (0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 120.0, 600.0)
BATCH_MESSAGES = (1.0, 10.0, 50.0, 100.0, 250.0, 500.0, 1_000.0, 2_500.0, 5_000.0)


class Metric(Struct, frozen=True):
    """A metric. `unit` is a word of the name's end, or empty; a counter's name ends in `_total`."""

    name: str
    kind: Kind
    unit: str
    help: str
    labels: tuple[str, ...] = ()


METRICS: tuple[Metric, ...] = (
    Metric("tds_up", "gauge", "", "1 when the part answered this scrape: redis, database, report",
           ("part",)),
    Metric("tds_scrape_seconds", "gauge", "seconds", "How long reading all of this took"),
    # Redis: what was taken, what waits.
    Metric("tds_messages_received_total", "counter", "", "Messages that bridges, imports and "
           "replays handed over"),
    Metric("tds_batches_received_total", "counter", "", "Batches of these messages"),
    Metric("tds_pending_messages", "gauge", "", "Messages that are not stored yet"),
    Metric("tds_pending_oldest_seconds", "gauge", "seconds", "Age of the oldest batch that is not "
           "stored yet; 0: none"),
    Metric("tds_held_batches", "gauge", "", "Batches that the reject guard has put aside"),
    Metric("tds_guard_holding", "gauge", "", "1 while the reject guard holds batches"),
    Metric("tds_queue_waiting", "gauge", "", "Tasks or batches that wait for a worker",
           ("queue",)),
    Metric("tds_queue_claimed", "gauge", "", "Tasks or batches in a worker's hands, not yet "
           "acknowledged", ("queue",)),
    Metric("tds_redis_memory_percent", "gauge", "percent", "Redis's memory of its maxmemory; 0: it "
           "has none"),
    Metric("tds_bridges", "gauge", "", "Bridges by state", ("state",)),
    Metric("tds_broker_sessions", "gauge", "", "Sessions of bridges that the broker may hold"),
    Metric("tds_broker_dropped_total", "counter", "", "Messages that the broker acknowledged and "
           "dropped"),
    Metric("tds_broker_lost_sessions_total", "counter", "", "Sessions of bridges that the broker "
           "lost"),
    Metric("tds_broker_refusals_total", "counter", "", "What the broker refused or expired",
           ("kind",)),
    Metric("tds_pool_progress_seconds", "gauge", "seconds", "Since a pool's last stored batch",
           ("pool",)),
    Metric("tds_pool_retries_total", "counter", "", "Waits of a pool for a fault that passes",
           ("pool",)),
    Metric("tds_beat_up", "gauge", "", "1 when a beat holds the lock"),
    # The ledger.
    Metric("tds_messages_total", "counter", "", "Messages that came to their end, by outcome "
           "(stored, duplicate, rejected)", ("outcome",)),
    Metric("tds_readings_total", "counter", "", "Readings, by outcome", ("outcome",)),
    Metric("tds_store_seconds", "histogram", "seconds", "From receipt to commit, a message counted "
           "by its batch"),
    Metric("tds_batch_messages", "histogram", "", "Messages of a stored batch"),
    Metric("tds_difference_messages", "gauge", "", "Messages that are not accounted for"),
    Metric("tds_reading_lag_seconds", "gauge", "seconds", "From the gateway's time of a reading to "
           "its receipt, over the last two minutes", ("quantile",)),
    Metric("tds_commit_lag_seconds", "histogram", "seconds", "From the gateway's time of a reading "
           "to its commit, of one reading for each batch"),
    # Ingest pools count these, a batch or a group of batches at a time.
    Metric("tds_stage_seconds", "histogram", "seconds", "How long the stages of storing take: "
           "queue (receipt to claim), read, validate, guard, limits, store (the transaction), "
           "presence, redis (one write)", ("stage",)),
    # The fleet and what is computed.
    Metric("tds_gateways", "gauge", "", "Active gateways by presence", ("presence",)),
    Metric("tds_dirty_hours", "gauge", "", "Hours that the refresh must compute again"),
    Metric("tds_aggregates_age_seconds", "gauge", "seconds", "Since the last refresh of "
           "aggregates"),
    Metric("tds_dead_letters_total", "counter", "", "Rejected messages and readings, by reason",
           ("reason",)),
    Metric("tds_dead_letters_waiting", "gauge", "", "Dead letters that wait for a decision, by "
           "reason", ("reason",)),
    Metric("tds_findings_open", "gauge", "", "Findings that wait for a decision, by rule",
           ("rule",)),
    Metric("tds_alarms_open", "gauge", "", "Open alarms by kind", ("kind",)),
    Metric("tds_alarm_deliveries", "gauge", "", "E-mails and calls about alarms that are not "
           "delivered (waiting, failed)", ("state",)),
    Metric("tds_certificates_ending", "gauge", "", "Gateways whose last certificate ends within 14 "
           "days"),
    # Tasks and servers.
    Metric("tds_task_success_seconds", "gauge", "seconds", "Since a scheduled task's last success",
           ("task",)),
    Metric("tds_task_run_seconds", "gauge", "seconds", "How long its last run took", ("task",)),
    Metric("tds_task_failing", "gauge", "", "1 when its last end was an error", ("task",)),
    Metric("tds_database_connections", "gauge", "", "Connections of the database server"),
    Metric("tds_database_connections_limit", "gauge", "", "The most that it takes"),
    Metric("tds_database_bytes", "gauge", "bytes", "Size of the database"),
    Metric("tds_disk_used_percent", "gauge", "percent", "How full the disks of ALARM_DISKS are, "
           "as this process sees them", ("path",)),
)  # fmt: skip

BY_NAME = {metric.name: metric for metric in METRICS}
