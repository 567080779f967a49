"""The worker pools, and the limits of the message contract."""

from dataclasses import dataclass

from config.env import setting
from config.options.retention import RetentionOptions, lateness_setting
from config.options.shared import DatabaseOptions, QueueOptions, TopicOptions


@dataclass(frozen=True)
class ContractOptions:
    """The limits of the message contract."""

    payload_bytes: int = setting(
        "MAX_PAYLOAD_BYTES",
        "largest payload that is read; more is too_large",
        default=65536,
        unit="bytes",
        minimum=256,
        maximum=1_048_576,
    )
    ahead_s: int = setting(
        "MAX_CLOCK_AHEAD_S",
        "how far a timestamp may be ahead of the server",
        default=300,
        unit="seconds",
        minimum=0,
        maximum=86400,
    )
    behind_days: int = lateness_setting()


@dataclass(frozen=True)
class IngestOptions:
    """The worker pool "ingest"."""

    queue: QueueOptions
    database: DatabaseOptions
    topic: TopicOptions
    contract: ContractOptions
    keep_raw: str = setting(
        "READING_RAW",
        "what the column raw keeps: further keys only, the whole reading always, or nothing",
        default="extra",
        choices=("extra", "always", "never"),
    )
    registry_refresh_s: float = setting(
        "REGISTRY_REFRESH_S",
        "how often a worker looks for changed gateways and devices",
        default=2.0,
        unit="seconds",
        minimum=0.1,
        maximum=5,
    )
    presence_interval_s: float = setting(
        "PRESENCE_INTERVAL_S",
        "least time between two last_seen updates of one gateway by one worker",
        default=3.0,
        unit="seconds",
        minimum=0,
        maximum=60,
    )
    attempts: int = setting(
        "BATCH_ATTEMPTS",
        "starts without an end after which a batch is split in two",
        default=3,
        minimum=1,
        maximum=20,
    )
    guard_share: int = setting(
        "GUARD_REJECT_SHARE",
        "share of gateways that get nothing in above which what they send is put aside; 100: never",
        default=90,
        unit="percent",
        minimum=1,
        maximum=100,
    )
    guard_gateways: int = setting(
        "GUARD_GATEWAYS",
        "fewest gateways that a worker must have heard of to judge that share",
        default=10,
        minimum=2,
        maximum=1_000_000,
    )
    guard_window_s: float = setting(
        "GUARD_WINDOW_S",
        "how far back that share is judged",
        default=60.0,
        unit="seconds",
        minimum=1,
        maximum=3600,
    )
    statement_timeout_s: int = setting(
        "INGEST_STATEMENT_TIMEOUT_S",
        "longest database statement of a worker, and longest transaction",
        default=60,
        unit="seconds",
        minimum=1,
        maximum=600,
    )


@dataclass(frozen=True)
class MaintenanceOptions:
    """The scheduled tasks."""

    queue: QueueOptions
    retention: RetentionOptions
    stale_after_s: int = setting(
        "BATCH_STALE_AFTER_S",
        "age at which a pending batch without a task is sent again",
        default=75,
        unit="seconds",
        minimum=1,
        maximum=3600,
    )
    offline_after_s: int = setting(
        "GATEWAY_OFFLINE_AFTER_S",
        "silence after which a gateway without an interval of its own is offline",
        default=300,
        unit="seconds",
        minimum=5,
        maximum=604800,
    )
    ledger_days: int = setting(
        "LEDGER_KEEP_DAYS",
        "age at which ledger rows are folded into daily sums",
        default=30,
        unit="days",
        minimum=1,
        maximum=3650,
    )
    history_days: int = setting(
        "TASK_HISTORY_DAYS",
        "age at which recorded runs of scheduled tasks are forgotten",
        default=90,
        unit="days",
        minimum=1,
        maximum=3650,
    )
