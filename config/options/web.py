"""The web process, and what says that the pipeline is late."""

from dataclasses import dataclass

from config.env import SettingError, setting
from config.options.api import ApiOptions
from config.options.mail import MailOptions
from config.options.retention import RetentionOptions
from config.options.shared import CheckOptions, DatabaseOptions, LogOptions, RedisOptions


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
    task_grace_s: int = setting(
        "STATUS_TASK_GRACE_S",
        "how long the success of a scheduled task may be overdue, beyond two of its intervals",
        default=900,
        unit="seconds",
        minimum=1,
        maximum=604_800,
    )


@dataclass(frozen=True)
class WebOptions:
    """Django: admin, health, dashboard."""

    database: DatabaseOptions
    redis: RedisOptions
    log: LogOptions
    status: StatusOptions
    retention: RetentionOptions
    mail: MailOptions
    api: ApiOptions
    checks: CheckOptions
    secret_key: str = setting(
        "SECRET_KEY", "a long random text that signs sessions", is_secret=True
    )
    secret_key_fallbacks: tuple[str, ...] = setting(
        "SECRET_KEY_FALLBACKS",
        "former values of SECRET_KEY, separated by commas: sessions and links that they signed "
        "stay valid until they are removed here",
        default=(),
        is_secret=True,
    )
    is_demo: bool = setting(
        "DEMO",
        "a demonstration, development or test on a machine that nobody else reaches: DEBUG, any "
        "host name and weak secrets are allowed",
        default=False,
    )
    debug: bool = setting("DEBUG", "Django's debug mode; needs DEMO", default=False)
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

    proxies: int = setting(
        "WEB_PROXIES",
        "reverse proxies in front, each of which adds to X-Forwarded-For; 0: the header is not "
        "believed, and failed sign-ins count for the address that connects",
        default=0,
        minimum=0,
        maximum=10,
    )
    static_root: str = setting(
        "STATIC_ROOT",
        "folder that manage.py collectstatic fills; empty: static files are served from the "
        "packages, uncompressed",
        default="",
    )
    session_hours: int = setting(
        "WEB_SESSION_HOURS",
        "how long a sign-in lasts",
        default=12,
        unit="hours",
        minimum=1,
        maximum=8_760,
    )

    def __post_init__(self) -> None:
        if len(self.secret_key) < 32:
            raise SettingError("SECRET_KEY=(hidden): expected at least 32 random characters")


@dataclass(frozen=True)
class WebServerOptions:
    """The web process's patience with clients that are silent or slow."""

    head_s: int = setting(
        "WEB_HEAD_S",
        "how long a client may take to send the head of a request",
        default=10,
        unit="seconds",
        minimum=1,
        maximum=600,
    )
    stall_s: int = setting(
        "WEB_STALL_S",
        "how long a client may send or take nothing in the middle of a request",
        default=20,
        unit="seconds",
        minimum=1,
        maximum=600,
    )
    longest_s: int = setting(
        "WEB_LONGEST_S",
        "how long a request may take in all, exports included",
        default=900,
        unit="seconds",
        minimum=1,
        maximum=86_400,
    )
