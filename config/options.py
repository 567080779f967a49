"""Every setting of the product, in frozen classes, one for each concern.

`.env.example` is written from this module (`make env-example`), and a test holds the two together.
Each process reads the classes that it needs and nothing else.
"""

import re
import socket
from dataclasses import dataclass

from config.env import SettingError, setting


@dataclass(frozen=True)
class LogOptions:
    """How a process logs."""

    format: str = setting(
        "LOG_FORMAT", "form of log lines", default="console", choices=("console", "json")
    )
    level: str = setting(
        "LOG_LEVEL",
        "least severe level that is logged",
        default="info",
        choices=("debug", "info", "warning", "error"),
    )


@dataclass(frozen=True)
class RedisOptions:
    """Where the batches and the Celery queues are."""

    url: str = setting(
        "REDIS_URL", "redis://[:PASSWORD@]HOST:PORT/DB of the queue's Redis", is_secret=True
    )
    socket_timeout_s: float = setting(
        "REDIS_SOCKET_TIMEOUT_S",
        "time after which a silent Redis is given up",
        default=5.0,
        unit="seconds",
        minimum=0.1,
        maximum=60,
    )

    def __post_init__(self) -> None:
        if not re.match(r"(rediss?|unix)://", self.url):
            raise SettingError(
                "REDIS_URL=(hidden): expected redis://, rediss:// or unix:// at its start"
            )


@dataclass(frozen=True)
class QueueOptions:
    """How Celery uses Redis."""

    redis: RedisOptions
    visibility_timeout_s: int = setting(
        "CELERY_VISIBILITY_TIMEOUT_S",
        "time after which an unacknowledged task is given to another worker",
        default=300,
        unit="seconds",
        minimum=30,
        maximum=86400,
    )


@dataclass(frozen=True)
class DatabaseOptions:
    """Where readings, ledger and fleet are."""

    url: str = setting("DATABASE_URL", "postgres://USER:PASSWORD@HOST:PORT/NAME", is_secret=True)

    def __post_init__(self) -> None:
        if not re.match(r"postgres(ql)?://", self.url):
            raise SettingError("DATABASE_URL=(hidden): expected postgres:// at its start")


@dataclass(frozen=True)
class TopicOptions:
    """The topics of the contract."""

    prefix: str = setting(
        "MQTT_TOPIC_PREFIX", "first level(s) of the telemetry topics", default="tds_new"
    )

    def __post_init__(self) -> None:
        if not re.fullmatch(r"[^/+#\x00$][^+#\x00]*(?<!/)", self.prefix):
            raise SettingError(
                f"MQTT_TOPIC_PREFIX={self.prefix!r}: expected topic levels without +, #, $ "
                "or a slash at either end"
            )


@dataclass(frozen=True)
class BrokerOptions:
    """Where the MQTT broker is."""

    host: str = setting("MQTT_HOST", "host name of the MQTT broker")
    port: int = setting(
        "MQTT_PORT", "port of the MQTT broker", default=1883, minimum=1, maximum=65535
    )
    keepalive_s: int = setting(
        "MQTT_KEEPALIVE_S",
        "interval of MQTT keepalive pings",
        default=30,
        unit="seconds",
        minimum=5,
        maximum=3600,
    )


@dataclass(frozen=True)
class BridgeOptions:
    """The MQTT bridge (`python -m ingest_bridge`)."""

    broker: BrokerOptions
    topic: TopicOptions
    redis: RedisOptions
    log: LogOptions
    user: str = setting("MQTT_BRIDGE_USER", "MQTT user of the bridge")
    password: str = setting("MQTT_BRIDGE_PASSWORD", "MQTT password of the bridge", is_secret=True)
    client_id: str = setting(
        "BRIDGE_CLIENT_ID",
        "MQTT client id, unique and stable for each bridge; default bridge-HOSTNAME",
        default="",
    )
    share_group: str = setting(
        "BRIDGE_SHARE_GROUP", "group of the shared subscription", default="ingest"
    )
    batch_messages: int = setting(
        "BRIDGE_BATCH_MESSAGES",
        "most messages in one batch",
        default=1000,
        unit="messages",
        minimum=1,
        maximum=10000,
    )
    batch_bytes: int = setting(
        "BRIDGE_BATCH_BYTES",
        "payload bytes at which a batch is sent",
        default=2_000_000,
        unit="bytes",
        minimum=1024,
        maximum=64_000_000,
    )
    linger_ms: float = setting(
        "BRIDGE_LINGER_MS",
        "longest wait for a batch to fill while messages flow; none after a quiet spell",
        default=8.0,
        unit="milliseconds",
        minimum=0,
        maximum=1000,
    )
    late_linger_ms: float = setting(
        "BRIDGE_LATE_LINGER_MS",
        "the same while what was received before is not stored for seconds, as in an outage",
        default=250.0,
        unit="milliseconds",
        minimum=0,
        maximum=1000,
    )
    bulk_read: bool = setting(
        "BRIDGE_BULK_READ",
        "take many packets out of one read; false reads packet by packet, as paho does",
        default=True,
    )
    receive_maximum: int = setting(
        "BRIDGE_RECEIVE_MAXIMUM",
        "unacknowledged messages that the broker may send ahead",
        default=5000,
        unit="messages",
        minimum=1,
        maximum=65535,
    )
    pending_high: int = setting(
        "BRIDGE_PENDING_HIGH",
        "messages waiting to be stored above which bridges take no more",
        default=1_000_000,
        unit="messages",
        minimum=1,
        maximum=1_000_000_000,
    )
    pending_low: int = setting(
        "BRIDGE_PENDING_LOW",
        "messages waiting to be stored below which bridges go on",
        default=800_000,
        unit="messages",
        minimum=0,
        maximum=1_000_000_000,
    )
    memory_high: int = setting(
        "BRIDGE_REDIS_MEMORY_HIGH",
        "share of Redis's maxmemory above which bridges take no more",
        default=80,
        unit="percent",
        minimum=1,
        maximum=100,
    )
    memory_low: int = setting(
        "BRIDGE_REDIS_MEMORY_LOW",
        "share of Redis's maxmemory below which bridges go on",
        default=70,
        unit="percent",
        minimum=0,
        maximum=100,
    )
    health_file: str = setting(
        "BRIDGE_HEALTH_FILE",
        "file that the bridge touches as it makes progress; read by --check",
        default="",
    )

    def __post_init__(self) -> None:
        if not self.client_id:
            object.__setattr__(self, "client_id", f"bridge-{socket.gethostname()}")
        if not re.fullmatch(r"[A-Za-z0-9._-]{1,64}", self.client_id):
            raise SettingError(
                f"BRIDGE_CLIENT_ID={self.client_id!r}: expected 1 to 64 of A-Z a-z 0-9 . _ -"
            )
        if not re.fullmatch(r"[^/+#\x00]{1,64}", self.share_group):
            raise SettingError(
                f"BRIDGE_SHARE_GROUP={self.share_group!r}: expected a name without / + #"
            )
        _require_below("BRIDGE_PENDING", low=self.pending_low, high=self.pending_high)
        _require_below("BRIDGE_REDIS_MEMORY", low=self.memory_low, high=self.memory_high)


def _require_below(name: str, *, low: int, high: int) -> None:
    if low >= high:
        raise SettingError(f"{name}_LOW={low}: expected less than {name}_HIGH={high}")


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
    behind_days: int = setting(
        "MAX_LATENESS_DAYS",
        "how far a timestamp may be behind the server",
        default=400,
        unit="days",
        minimum=1,
        maximum=36500,
    )


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
        "share of gateways that get nothing in above which batches are held; 100 never holds",
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
        "longest database statement of a worker",
        default=60,
        unit="seconds",
        minimum=1,
        maximum=600,
    )


@dataclass(frozen=True)
class MaintenanceOptions:
    """The scheduled tasks."""

    queue: QueueOptions
    stale_after_s: int = setting(
        "BATCH_STALE_AFTER_S",
        "age at which a pending batch without a task is sent again",
        default=30,
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


@dataclass(frozen=True)
class StatusOptions:
    """When `make status` and `/health/pipeline` say that something is late or stuck."""

    oldest_pending_s: int = setting(
        "STATUS_OLDEST_PENDING_S",
        "age of the oldest batch that is not stored above which the pipeline is late",
        default=120,
        unit="seconds",
        minimum=1,
        maximum=86_400,
    )
    stuck_after_s: int = setting(
        "STATUS_STUCK_AFTER_S",
        "time without a stored batch, while some are pending, after which a pool is stuck",
        default=60,
        unit="seconds",
        minimum=1,
        maximum=86_400,
    )


@dataclass(frozen=True)
class WebOptions:
    """Django: admin, health, dashboard."""

    database: DatabaseOptions
    redis: RedisOptions
    log: LogOptions
    status: StatusOptions
    secret_key: str = setting(
        "SECRET_KEY", "a long random text that signs sessions", is_secret=True
    )
    debug: bool = setting("DEBUG", "Django's debug mode; never in production", default=False)
    allowed_hosts: tuple[str, ...] = setting(
        "ALLOWED_HOSTS",
        "host names that the web process answers to, separated by commas",
        default=("127.0.0.1", "localhost"),
    )
    is_https: bool = setting(
        "WEB_HTTPS",
        "the site is reached over HTTPS: secure cookies, HSTS, redirect from HTTP",
        default=True,
    )
    trusted_origins: tuple[str, ...] = setting(
        "CSRF_TRUSTED_ORIGINS",
        "origins (https://HOST) that may post forms from behind a proxy",
        default=(),
    )

    def __post_init__(self) -> None:
        if len(self.secret_key) < 32:
            raise SettingError("SECRET_KEY=(hidden): expected at least 32 random characters")


@dataclass(frozen=True)
class SimulatorOptions:
    """The simulated fleet (`manage.py simulate`)."""

    broker: BrokerOptions
    topic: TopicOptions
    user: str = setting("MQTT_GATEWAY_USER", "MQTT user of the gateways")
    password: str = setting(
        "MQTT_GATEWAY_PASSWORD", "MQTT password of the gateways", is_secret=True
    )


ALL_OPTIONS: tuple[type, ...] = (
    WebOptions,
    BridgeOptions,
    IngestOptions,
    MaintenanceOptions,
    SimulatorOptions,
)
