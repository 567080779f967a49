"""The web process, and what says that the pipeline is late."""

from dataclasses import dataclass

from config.env import SettingError, setting
from config.options.alarms import AlarmOptions
from config.options.api import ApiOptions
from config.options.mail import MailOptions
from config.options.retention import RetentionOptions
from config.options.shared import CheckOptions, DatabaseOptions, LogOptions, RedisOptions
from config.options.signin import SignInOptions


@dataclass(frozen=True)
class StatusOptions:
    """When `make status` and `/health/pipeline` say that something is late or stuck."""

    oldest_pending_s: int = setting(
        "STATUS_OLDEST_PENDING_S",
        "the status reports the pipeline as late when a batch has waited longer than this to be"
        " stored",
        default=120,
        unit="seconds",
        minimum=1,
        maximum=86_400,
    )
    stuck_after_s: int = setting(
        "STATUS_STUCK_AFTER_S",
        "the status reports a worker pool as stuck when batches wait and it has stored none for"
        " this long",
        default=60,
        unit="seconds",
        minimum=1,
        maximum=86_400,
    )
    task_grace_s: int = setting(
        "STATUS_TASK_GRACE_S",
        "the status reports a scheduled task when its last success is older than two of its "
        "intervals and this",
        default=900,
        unit="seconds",
        minimum=1,
        maximum=604_800,
    )


@dataclass(frozen=True)
class WebOptions:
    """The web process: pages, API, admin, health checks, e-mail."""

    database: DatabaseOptions
    redis: RedisOptions
    log: LogOptions
    status: StatusOptions
    retention: RetentionOptions
    mail: MailOptions
    alarms: AlarmOptions
    api: ApiOptions
    sign_in: SignInOptions
    checks: CheckOptions
    secret_key: str = setting(
        "SECRET_KEY",
        "a random text of 32 characters or more, with which sessions are signed",
        is_secret=True,
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
        "host names under which the web pages are reached, separated by commas",
        default=("127.0.0.1", "localhost"),
    )
    is_https: bool = setting(
        "WEB_HTTPS",
        "whether the web pages are reached over HTTPS: secure cookies, HSTS, redirect from HTTP",
        default=True,
    )
    trusted_origins: tuple[str, ...] = setting(
        "CSRF_TRUSTED_ORIGINS",
        "origins (https://HOST) whose forms are accepted when a proxy changes the host name, "
        "separated by commas",
        default=(),
    )

    proxies: int = setting(
        "WEB_PROXIES",
        "number of reverse proxies in front of the web process; each adds the client's address "
        "to X-Forwarded-For. With 0 that header is ignored",
        default=0,
        minimum=0,
        maximum=10,
    )
    static_root: str = setting(
        "STATIC_ROOT",
        "folder that manage.py collectstatic fills; when empty, static files are served "
        "uncompressed from the packages",
        default="",
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
