"""Connect to Redis and build the Celery app, with the same options in every process.

Imports no Django, so that the bridge stays small.
"""

from collections.abc import Sequence
from typing import Any
from urllib.parse import quote

from celery import Celery
from celery.signals import setup_logging
from kombu import Exchange, Queue
from kombu.transport import TRANSPORT_ALIASES
from redis import Redis
from redis.backoff import NoBackoff
from redis.retry import Retry
from redis.sentinel import Sentinel

from config.full_redis import QUEUES, SmallWrites
from config.logs import configure_logging
from config.options import LogOptions, QueueOptions, RedisOptions
from config.options.shared import parse_sentinels

# A Sentinel that does not answer is passed over: another one knows the master as well.
SENTINEL_ARGUMENTS = {
    "socket_timeout": 1.0,
    "socket_connect_timeout": 1.0,
    "retry": Retry(NoBackoff(), 0),
}


def connect_redis(options: RedisOptions, *, client: type[Redis] = SmallWrites) -> Redis:
    """A client that gives up after the socket timeout and never retries by itself.

    Callers retry: they know whether repeating is safe and whether to go on waiting. Who brings data
    in by commands of its own takes `client=Redis`, which is refused when Redis is full.
    """
    how: dict[str, Any] = {
        "socket_timeout": options.socket_timeout_s,
        "socket_connect_timeout": options.socket_timeout_s,
        "socket_keepalive": True,
        "health_check_interval": 15,
        "retry": Retry(NoBackoff(), 0),
    }
    if not options.url.startswith("sentinel://"):
        return client.from_url(options.url, **options.make_tls(), **how)
    found = parse_sentinels(options.url)
    login = {"username": found.user, "password": found.password, "db": found.db}
    sentinel = Sentinel(found.hosts, sentinel_kwargs=SENTINEL_ARGUMENTS, **how, **login)  # type: ignore[no-untyped-call]
    master: Redis = sentinel.master_for(found.master, redis_class=client)  # type: ignore[no-untyped-call]
    return master


def make_broker(url: str) -> tuple[str, dict[str, Any]]:
    """The address as Celery has it, and what it needs as options of the transport."""
    if not url.startswith("sentinel://"):
        return url, {}
    found = parse_sentinels(url)
    login = f"{quote(found.user or '', safe='')}:{quote(found.password or '', safe='')}@"
    hosts = [
        f"sentinel://{login}{f'[{host}]' if ':' in host else host}:{port}/{found.db}"
        for host, port in found.hosts
    ]
    return ";".join(hosts), {"master_name": found.master, "sentinel_kwargs": SENTINEL_ARGUMENTS}


def build_celery_app(
    options: QueueOptions,
    *,
    imports: Sequence[str] = ("workers.ingest", "workers.maintenance"),
    fixups: list[str] | None = None,
) -> Celery:
    """The Celery app. JSON only; tasks are acknowledged when they end; no results are kept.

    `imports` are the modules whose tasks its workers run; `fixups=[]` leaves Django out.
    """
    # For the schemes and not as `broker_transport`, which would be the scheme of addresses then:
    # Flower tells by it what the broker is.
    TRANSPORT_ALIASES.update(dict.fromkeys(("redis", "rediss"), "config.full_redis:Transport"))
    TRANSPORT_ALIASES["sentinel"] = "config.full_redis:SentinelTransport"
    broker, of_sentinel = make_broker(options.redis.url)
    app = Celery("tds_telemetry", broker=broker, set_as_current=False, fixups=fixups)
    app.conf.update(
        broker_use_ssl=options.redis.make_tls() or None,
        accept_content=["json"],
        task_serializer="json",
        task_ignore_result=True,
        result_expires=None,
        task_store_errors_even_if_ignored=False,
        task_acks_late=True,
        task_acks_on_failure_or_timeout=True,
        task_reject_on_worker_lost=True,
        task_create_missing_queues=False,
        task_default_queue="maintenance",
        task_queues=[
            Queue(name, Exchange(name, type="direct"), routing_key=name) for name in QUEUES
        ],
        worker_prefetch_multiplier=1,
        worker_send_task_events=False,  # Flower switches them on; a task costs less without
        worker_hijack_root_logger=False,
        worker_redirect_stdouts=False,
        worker_cancel_long_running_tasks_on_connection_loss=False,
        broker_connection_retry_on_startup=True,
        broker_connection_max_retries=None,
        broker_transport_options={
            "visibility_timeout": options.visibility_timeout_s,
            "socket_timeout": options.redis.socket_timeout_s,
            "socket_connect_timeout": options.redis.socket_timeout_s,
            "socket_keepalive": True,
            "health_check_interval": 15,
            "max_retries": 1,
            "interval_start": 0,
            **of_sentinel,
        },
        timezone="UTC",
        enable_utc=True,
        imports=imports,
        beat_scheduler="workers.beat:LockedScheduler",
        beat_max_loop_interval=5,
    )
    return app


def log_as_configured(options: LogOptions) -> None:
    """Let the processes of Celery log as all others do."""

    def configure(**_: object) -> None:
        configure_logging(options)

    setup_logging.connect(configure, weak=False)
