"""Serve metrics for Prometheus."""

import signal
import threading
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from prometheus_client import CollectorRegistry, start_http_server

from config.env import read_options
from config.options import DatabaseOptions, MetricsOptions, RedisOptions
from config.queue import connect_redis
from telemetry.metrics.collector import Exporter
from telemetry.store.db.account_scope import EVERY, SETTING
from telemetry.store.db.connection import Connection, open_connection


class Command(BaseCommand):
    """The process "metrics"."""

    help = "Serve metrics for Prometheus at METRICS_ADDRESS and METRICS_PORT, until it is stopped."

    def handle(self, *_args: Any, **_options: Any) -> None:
        """Serve, without a login: hence loopback by default."""
        options = read_options(MetricsOptions)
        if not options.port:
            raise CommandError("METRICS_PORT=0: expected a port, for example 9808")
        registry = CollectorRegistry()
        registry.register(Exporter(connect_redis(read_options(RedisOptions)), _connect))
        server, thread = start_http_server(options.port, options.address, registry)
        self.stdout.write(f"metrics: http://{options.address}:{options.port}/metrics")
        stopped = threading.Event()
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda *_: stopped.set())
        stopped.wait()
        server.shutdown()
        thread.join()


def _connect() -> Connection:
    """A session that sees every account, as those of commands do."""
    url = read_options(DatabaseOptions).url
    opened = open_connection(url, name="tds-metrics", statement_timeout_s=30)
    opened.execute("SELECT set_config(%s, %s, false)", [SETTING, EVERY])
    return opened
