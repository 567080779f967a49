"""The worker pools, and the limits of the message contract."""

from dataclasses import dataclass

from config.env import setting
from config.options.retention import RetentionOptions, lateness_setting
from config.options.shared import DatabaseOptions, QueueOptions, TopicOptions
from config.options.traces import TraceOptions


@dataclass(frozen=True)
class ContractOptions:
    """The limits of the message contract."""

    payload_bytes: int = setting(
        "MAX_PAYLOAD_BYTES",
        "messages with a larger payload are rejected (too_large)",
        default=65536,
        unit="bytes",
        minimum=256,
        maximum=1_048_576,
    )
    ahead_s: int = setting(
        "MAX_CLOCK_AHEAD_S",
        "messages whose timestamp is further in the future are rejected (timestamp_out_of_range)",
        default=300,
        unit="seconds",
        minimum=0,
        maximum=86400,
    )
    behind_days: int = lateness_setting()


@dataclass(frozen=True)
class LimitOptions:
    """How much a gateway and an account may send."""

    gateway_rate: float = setting(
        "LIMIT_GATEWAY_RATE",
        "what a gateway may send, counted by receipt; a message counts once for each KiB that it "
        "begins. What is above waits until nothing else does; 0: no limit",
        default=20,
        unit="messages a second",
        minimum=0,
        maximum=1_000_000,
    )
    account_rate: float = setting(
        "LIMIT_ACCOUNT_RATE",
        "the same for all gateways of an account together",
        default=5000,
        unit="messages a second",
        minimum=0,
        maximum=1_000_000,
    )
    burst_s: float = setting(
        "LIMIT_BURST_S",
        "who sent nothing for this long may send at once what the limit allows in this time",
        default=600,
        unit="seconds",
        minimum=1,
        maximum=86_400,
    )
    excess_times: float = setting(
        "LIMIT_EXCESS_TIMES",
        "above this many times a limit of excess, messages are rejected (rate_limited)",
        default=4,
        minimum=0,
        maximum=1_000,
    )


@dataclass(frozen=True)
class IngestOptions:
    """The worker pool "ingest", which stores batches."""

    queue: QueueOptions
    database: DatabaseOptions
    topic: TopicOptions
    contract: ContractOptions
    limits: LimitOptions
    traces: TraceOptions
    keep_raw: str = setting(
        "READING_RAW",
        "JSON that the column raw keeps of a reading: its extra keys, always all of it, never any",
        default="extra",
        choices=("extra", "always", "never"),
    )
    registry_refresh_s: float = setting(
        "REGISTRY_REFRESH_S",
        "how often a worker looks for changes of gateways and devices",
        default=2.0,
        unit="seconds",
        minimum=0.1,
        maximum=5,
    )
    presence_interval_s: float = setting(
        "PRESENCE_INTERVAL_S",
        "a worker updates the last_seen of one gateway at most this often",
        default=3.0,
        unit="seconds",
        minimum=0,
        maximum=60,
    )
    attempts: int = setting(
        "BATCH_ATTEMPTS",
        "a batch that was started this many times and never finished is split in two, to find "
        "the message that is to blame",
        default=3,
        minimum=1,
        maximum=20,
    )
    guard_share: int = setting(
        "GUARD_REJECT_SHARE",
        "the reject guard holds messages when more than this share of gateways has everything "
        "rejected, because then a deployment is probably wrong; 100 turns the guard off",
        default=90,
        unit="percent",
        minimum=1,
        maximum=100,
    )
    guard_gateways: int = setting(
        "GUARD_GATEWAYS",
        "the reject guard does nothing until a worker has received messages of this many gateways",
        default=10,
        minimum=2,
        maximum=1_000_000,
    )
    guard_window_s: float = setting(
        "GUARD_WINDOW_S",
        "the reject guard counts the gateways of this last stretch of time",
        default=60.0,
        unit="seconds",
        minimum=1,
        maximum=3600,
    )
    counts_stages: bool = setting(
        "METRICS_STAGES",
        "whether ingest pools count how long the stages of storing take, and how old readings are "
        "when they are committed",
        default=True,
    )
    statement_timeout_s: int = setting(
        "INGEST_STATEMENT_TIMEOUT_S",
        "longest time that a statement or a transaction of an ingest worker may take",
        default=60,
        unit="seconds",
        minimum=1,
        maximum=600,
    )


@dataclass(frozen=True)
class MaintenanceOptions:
    """The worker pool "maintenance", which runs the scheduled tasks."""

    queue: QueueOptions
    retention: RetentionOptions
    stale_after_s: int = setting(
        "BATCH_STALE_AFTER_S",
        "a pending batch that is this old, waits in no list and is held by no worker is offered to "
        "workers again",
        default=75,
        unit="seconds",
        minimum=1,
        maximum=3600,
    )
    offline_after_s: int = setting(
        "GATEWAY_OFFLINE_AFTER_S",
        "a gateway that sent nothing for this long is offline, or after its own offline_after_s",
        default=300,
        unit="seconds",
        minimum=5,
        maximum=604800,
    )
    gone_after_s: int = setting(
        "GATEWAY_GONE_AFTER_S",
        "a gateway whose connection broke, as its last will says, is offline when nothing is heard "
        "of it for this long after",
        default=60,
        unit="seconds",
        minimum=5,
        maximum=604800,
    )
    ledger_days: int = setting(
        "LEDGER_KEEP_DAYS",
        "ledger rows older than this are folded into daily sums",
        default=30,
        unit="days",
        minimum=1,
        maximum=3650,
    )
    history_days: int = setting(
        "TASK_HISTORY_DAYS",
        "recorded runs of scheduled tasks older than this are deleted",
        default=90,
        unit="days",
        minimum=1,
        maximum=3650,
    )
