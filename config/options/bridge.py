"""The MQTT bridge."""

import re
import socket
from dataclasses import dataclass
from hashlib import sha256

from config.env import SettingError, setting
from config.options.shared import BrokerOptions, LogOptions, RedisOptions, TopicOptions
from config.options.traces import TraceOptions

NUMBER = "{n}"


@dataclass(frozen=True)
class MarkOptions:
    """How full the queue may be: above a high mark bridges take no more, below the low ones they go
    on. Imports and replays stop at the low ones."""

    pending_high: int = setting(
        "BRIDGE_PENDING_HIGH",
        "bridges pause when more messages than this wait to be stored",
        default=1_000_000,
        unit="messages",
        minimum=1,
        maximum=1_000_000_000,
    )
    pending_low: int = setting(
        "BRIDGE_PENDING_LOW",
        "paused bridges resume when fewer messages than this wait to be stored",
        default=800_000,
        unit="messages",
        minimum=0,
        maximum=1_000_000_000,
    )
    memory_high: int = setting(
        "BRIDGE_REDIS_MEMORY_HIGH",
        "bridges pause when Redis uses more than this share of its maxmemory",
        default=80,
        unit="percent",
        minimum=1,
        maximum=100,
    )
    memory_low: int = setting(
        "BRIDGE_REDIS_MEMORY_LOW",
        "paused bridges resume when Redis uses less than this share of its maxmemory",
        default=70,
        unit="percent",
        minimum=0,
        maximum=100,
    )

    def __post_init__(self) -> None:
        _require_below("BRIDGE_PENDING", low=self.pending_low, high=self.pending_high)
        _require_below("BRIDGE_REDIS_MEMORY", low=self.memory_low, high=self.memory_high)


@dataclass(frozen=True)
class BridgeOptions:
    """The MQTT bridge (`python -m ingest_bridge`)."""

    broker: BrokerOptions
    topic: TopicOptions
    redis: RedisOptions
    log: LogOptions
    marks: MarkOptions
    traces: TraceOptions
    user: str = setting("MQTT_BRIDGE_USER", "MQTT user of the bridge")
    password: str = setting("MQTT_BRIDGE_PASSWORD", "MQTT password of the bridge", is_secret=True)
    share_group: str = setting(
        "BRIDGE_SHARE_GROUP",
        "group of the shared subscription, the same for all bridges: a long random text",
        is_secret=True,
    )
    client_id: str = setting(
        "BRIDGE_CLIENT_ID",
        "MQTT client id of this bridge: unique, the same after each restart, and not to be "
        "guessed. Empty: bridge-HOSTNAME-DIGEST, with a digest of BRIDGE_SHARE_GROUP. With {n} in "
        "it, the bridge takes the lowest number that no running bridge has; stopped while others "
        "run, it ends its session, since its number may not come back",
        default="",
    )
    batch_messages: int = setting(
        "BRIDGE_BATCH_MESSAGES",
        "a batch is sent when it has this many messages",
        default=2000,
        unit="messages",
        minimum=1,
        maximum=10000,
    )
    batch_bytes: int = setting(
        "BRIDGE_BATCH_BYTES",
        "a batch is sent when its payloads have this many bytes",
        default=2_000_000,
        unit="bytes",
        minimum=1024,
        maximum=64_000_000,
    )
    linger_ms: float = setting(
        "BRIDGE_LINGER_MS",
        "linger: the longest time that a bridge collects messages for a batch. The first "
        "message after a quiet time does not wait",
        default=5.0,
        unit="milliseconds",
        minimum=0,
        maximum=1000,
    )
    late_linger_ms: float = setting(
        "BRIDGE_LATE_LINGER_MS",
        "the linger is as long as the last batch took to be stored, and at most this",
        default=250.0,
        unit="milliseconds",
        minimum=0,
        maximum=1000,
    )
    bulk_read: bool = setting(
        "BRIDGE_BULK_READ",
        "whether the bridge takes many MQTT packets out of one read; false leaves reading to "
        "paho, packet by packet",
        default=True,
    )
    receive_maximum: int = setting(
        "BRIDGE_RECEIVE_MAXIMUM",
        "messages that the broker may send to a bridge before the first of them is acknowledged"
        " (MQTT 5, receive maximum)",
        default=16_000,
        unit="messages",
        minimum=1,
        maximum=65535,
    )
    health_file: str = setting(
        "BRIDGE_HEALTH_FILE",
        "file that the bridge touches while it makes progress; python -m ingest_bridge --check "
        "reads it. Empty: none",
        default="",
    )

    def __post_init__(self) -> None:
        if not self.client_id:
            client_id = make_client_id(socket.gethostname()[:32], share_group=self.share_group)
            object.__setattr__(self, "client_id", client_id)
        longest = self.client_id.replace(NUMBER, "99", 1)
        if not re.fullmatch(r"[A-Za-z0-9._-]{1,64}", longest):
            raise SettingError(
                f"BRIDGE_CLIENT_ID={self.client_id!r}: expected 1 to 64 of A-Z a-z 0-9 . _ - and "
                f"at most one {NUMBER}"
            )
        if not re.fullmatch(r"[^/+#\x00]{1,64}", self.share_group):
            raise SettingError(
                "BRIDGE_SHARE_GROUP=(hidden): expected 1 to 64 characters without / + #"
            )

    @property
    def is_numbered(self) -> bool:
        """Whether the bridge takes a number when it starts."""
        return NUMBER in self.client_id


def make_client_id(name: str, *, share_group: str) -> str:
    """A client id that stays the same and cannot be guessed by who does not know the group."""
    return f"bridge-{name}-{sha256(share_group.encode()).hexdigest()[:12]}"


def _require_below(name: str, *, low: int, high: int) -> None:
    if low >= high:
        raise SettingError(f"{name}_LOW={low}: expected less than {name}_HIGH={high}")
