"""Where the servers are, how processes log: settings that several processes read."""

import re
from dataclasses import dataclass
from ssl import CERT_REQUIRED
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs, unquote

from config.env import SettingError, setting

if TYPE_CHECKING:
    from ssl import SSLContext


SENTINEL_PORT = 26379
LEAST_TIMEOUT_S = 2.0  # an answer of WAITAOF takes up to a second


LEVELS = ("debug", "info", "warning", "error")


@dataclass(frozen=True)
class LogOptions:
    """How a process logs."""

    format: str = setting(
        "LOG_FORMAT", "format of log lines", default="console", choices=("console", "json")
    )
    level: str = setting(
        "LOG_LEVEL",
        "least severe level that is logged",
        default="info",
        choices=LEVELS,
    )
    part_levels: tuple[str, ...] = setting(
        "LOG_LEVELS",
        "other levels for parts of the program, as workers.ingest=debug,django=error; a part is "
        "what log lines name as their logger, or the beginning of it",
        default=(),
    )

    def __post_init__(self) -> None:
        for entry in self.part_levels:
            part, _, level = entry.partition("=")
            if not part.strip() or level.strip() not in LEVELS:
                raise SettingError(
                    f"LOG_LEVELS={entry!r}: expected PART=LEVEL, and of levels {', '.join(LEVELS)}"
                )


@dataclass(frozen=True)
class CheckOptions:
    """Rules across settings (`telemetry/checks.py`)."""

    silenced: tuple[str, ...] = setting(
        "SILENCED_CHECKS",
        "ids of settings checks that are turned off (for example telemetry.E005), separated by "
        "commas; for tests only",
        default=(),
    )


@dataclass(frozen=True)
class RedisOptions:
    """Where the batches and the Celery queues are."""

    url: str = setting(
        "REDIS_URL",
        "redis://[:PASSWORD@]HOST:PORT/DB of the Redis that keeps batches and Celery's queues, "
        "rediss:// with TLS, or sentinel://[USER:PASSWORD@]HOST:PORT,HOST:PORT,.../DB?master=NAME "
        "with the addresses of its Sentinels",
        is_secret=True,
    )
    ca_file: str = setting(
        "REDIS_CA_FILE",
        "file of the CA that has signed the certificate of a Redis with TLS; empty: a CA that this "
        "machine trusts",
        default="",
    )
    socket_timeout_s: float = setting(
        "REDIS_SOCKET_TIMEOUT_S",
        "how long a process waits for an answer of Redis before it reports an error",
        default=5.0,
        unit="seconds",
        minimum=0.1,
        maximum=60,
    )
    wait_replicas: int = setting(
        "REDIS_WAIT_REPLICAS",
        "a batch counts as received when this many replicas of Redis have it on disk as well; "
        "with 1 or more a failover loses no message that was acknowledged",
        default=0,
        unit="replicas",
        minimum=0,
        maximum=10,
    )

    def __post_init__(self) -> None:
        if not re.match(r"(rediss?|unix|sentinel)://", self.url):
            raise SettingError(
                "REDIS_URL=(hidden): expected redis://, rediss://, unix:// or sentinel:// at its "
                "start"
            )
        if self.url.startswith("sentinel://"):
            parse_sentinels(self.url)
        if self.wait_replicas and self.socket_timeout_s < LEAST_TIMEOUT_S:
            raise SettingError(
                f"REDIS_SOCKET_TIMEOUT_S={self.socket_timeout_s:g}: expected at least "
                f"{LEAST_TIMEOUT_S:g} with REDIS_WAIT_REPLICAS"
            )
        if self.ca_file and not self.url.startswith("rediss://"):
            raise SettingError(
                f"REDIS_CA_FILE={self.ca_file!r}: expected with rediss:// in REDIS_URL"
            )

    def make_tls(self) -> dict[str, Any]:
        """Arguments of a connection with TLS, nothing without. The certificate must be good: left
        to itself, kombu takes any."""
        if not self.url.startswith("rediss://"):
            return {}
        own = {"ssl_ca_certs": self.ca_file} if self.ca_file else {}
        return {"ssl_cert_reqs": CERT_REQUIRED, "ssl_check_hostname": True, **own}


@dataclass(frozen=True)
class Sentinels:
    """What an address `sentinel://` says."""

    hosts: tuple[tuple[str, int], ...]
    master: str
    user: str | None
    password: str | None
    db: int


def parse_sentinels(url: str) -> Sentinels:
    """Its parts. Raises `SettingError`, without a secret.

    By hand: newer releases of Python's `urlsplit` refuse brackets after a first host.
    """
    place, _, query = url.partition("://")[2].partition("?")
    netloc, _, path = place.partition("/")
    login, _, addresses = netloc.rpartition("@")
    user, _, password = login.partition(":")
    hosts = [re.fullmatch(r"(\[[^\]]+\]|[^:]+)(?::(\d+))?", one) for one in addresses.split(",")]
    masters = parse_qs(query).get("master", [])
    db = path.strip("/") or "0"
    if not all(hosts) or len(masters) != 1 or not db.isdecimal():
        raise SettingError(
            "REDIS_URL=(hidden): expected sentinel://USER:PASSWORD@HOST:PORT,HOST:PORT/DB?master=NAME"
        )
    return Sentinels(
        tuple((host[1].strip("[]"), int(host[2] or SENTINEL_PORT)) for host in hosts if host),
        masters[0],
        unquote(user) or None,
        unquote(password) or None,
        int(db),
    )


@dataclass(frozen=True)
class QueueOptions:
    """How Celery uses Redis."""

    redis: RedisOptions
    visibility_timeout_s: int = setting(
        "CELERY_VISIBILITY_TIMEOUT_S",
        "a task that a worker took and has not acknowledged for this long is given to another "
        "worker",
        default=300,
        unit="seconds",
        minimum=30,
        maximum=86400,
    )


@dataclass(frozen=True)
class DatabaseOptions:
    """Where readings, ledger and fleet are."""

    url: str = setting(
        "DATABASE_URL",
        "postgres://USER:PASSWORD@HOST:PORT/NAME?OPTION=VALUE, with options of libpq like sslmode",
        is_secret=True,
    )

    def __post_init__(self) -> None:
        from config.database import parse_database_url  # noqa: PLC0415 - bridges need no psycopg

        parse_database_url(self.url)


@dataclass(frozen=True)
class TopicOptions:
    """The topics of the contract."""

    prefix: str = setting(
        "MQTT_TOPIC_PREFIX",
        "what topics begin with, before /devices/MAC/telemetry: one level or several",
        default="tds_new",
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
    ca_file: str = setting(
        "MQTT_TLS_CA_FILE",
        "file of the CA that has signed the broker's certificate; empty: a connection without TLS",
        default="",
    )
    cert_file: str = setting(
        "MQTT_TLS_CERT_FILE", "own certificate, for a broker that asks for one", default=""
    )
    key_file: str = setting(
        "MQTT_TLS_KEY_FILE", "the key of MQTT_TLS_CERT_FILE, without a password", default=""
    )

    def __post_init__(self) -> None:
        if bool(self.cert_file) != bool(self.key_file):
            raise SettingError(
                f"MQTT_TLS_KEY_FILE={self.key_file!r}: expected together with MQTT_TLS_CERT_FILE"
            )
        if self.cert_file and not self.ca_file:
            raise SettingError("MQTT_TLS_CA_FILE='': expected with MQTT_TLS_CERT_FILE")

    def make_tls(self) -> "SSLContext | None":
        """What a connection is encrypted with; None without TLS. Raises `SettingError`."""
        if not self.ca_file:
            return None
        import ssl  # noqa: PLC0415 - most processes speak no MQTT

        name, path = "MQTT_TLS_CA_FILE", self.ca_file
        try:
            context = ssl.create_default_context(cafile=path)
            context.minimum_version = ssl.TLSVersion.TLSv1_2
            if self.cert_file:
                name, path = "MQTT_TLS_CERT_FILE", self.cert_file
                context.load_cert_chain(path, self.key_file)
        except OSError as error:  # ssl.SSLError is one
            raise SettingError(f"{name}={path!r}: cannot be used: {error}") from error
        return context
