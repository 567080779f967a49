"""Redis and PostgreSQL with TLS: every kind of process comes by it, and takes no other certificate.

The servers of this run get TLS while they run: Redis a port, PostgreSQL an option.
"""

import asyncio
import os
import shutil
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import psycopg
import pytest
from cryptography.hazmat.primitives.serialization import Encoding
from django.db.utils import ConnectionHandler, OperationalError
from flower.utils.broker import Broker
from kombu.exceptions import OperationalError as BrokerError
from redis import Redis, SSLConnection
from redis.exceptions import ConnectionError as RedisConnectionError

from config.database import make_django_database
from config.env import read_options
from config.options import QueueOptions, RedisOptions
from config.queue import build_celery_app, connect_redis
from telemetry.core.batch import RawMessage
from telemetry.store.db.connection import Connection, open_connection
from tests.certificates import make_other_authority
from tests.contract_cases import CASES, fill_in
from tests.integration.store.ingest import claimed
from tests.servers.free_ports import find_free_ports
from tests.stores import open_store, validate_and_store

pytestmark = pytest.mark.integration


@dataclass(frozen=True)
class Addresses:
    """The servers' addresses with TLS, for each role."""

    environ: dict[str, str]
    redis_port: int
    ca: str
    other_ca: str

    def redis(self, role: str, *, ca: str | None = None) -> dict[str, str]:
        """The settings of a process that trusts this CA: `REDIS_URL` and `REDIS_CA_FILE`."""
        parts = urlsplit(self.environ[f"{role}_REDIS_URL"])
        host = f"{parts.netloc.rpartition(':')[0]}:{self.redis_port}"
        url = parts._replace(scheme="rediss", netloc=host).geturl()
        return {"REDIS_URL": url, "REDIS_CA_FILE": self.ca if ca is None else ca}

    def postgres(self, role: str, *, ca: str = "") -> str:
        """`DATABASE_URL`."""
        url = self.environ[f"{role}_DATABASE_URL"]
        return f"{url}?sslmode=verify-full&sslrootcert={ca or self.ca}"


@pytest.fixture(scope="module")
def tls(
    servers: Any, database_url: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Addresses]:
    certificates = Path(servers.environ["MQTT_TLS_FOLDER"])
    other = tmp_path_factory.mktemp("other") / "ca.crt"
    certificate, _ = make_other_authority()
    other.write_bytes(certificate.public_bytes(Encoding.PEM))
    for server in (servers.redis, servers.postgres):
        owner = server.folder.stat()
        for name in ("broker.crt", "broker.key"):
            shutil.copy2(certificates / name, server.folder / name)
            os.chown(server.folder / name, owner.st_uid, owner.st_gid)
    [port] = find_free_ports(1)
    settings = servers.postgres.folder / "postgresql.conf"
    before = settings.read_text()
    ssl = "ssl = on\nssl_cert_file = 'broker.crt'\nssl_key_file = 'broker.key'\n"
    with Redis.from_url(servers.environ["REDIS_URL"]) as operator:
        inside = operator.config_get("dir")["dir"]
        operator.config_set(
            *("tls-cert-file", f"{inside}/broker.crt", "tls-key-file", f"{inside}/broker.key"),
            *("tls-auth-clients", "no", "tls-port", port),
        )
        reload_postgres(servers, before + ssl, is_on=True)
        yield Addresses(servers.environ, port, str(certificates / "ca.crt"), str(other))
        reload_postgres(servers, before, is_on=False)
        operator.config_set("tls-port", 0)


def reload_postgres(servers: Any, text: str, *, is_on: bool) -> None:
    """Write its settings, in place so that they keep their owner, and wait until they count."""
    (servers.postgres.folder / "postgresql.conf").write_text(text)
    os.kill(servers.postgres.pid, signal.SIGHUP)
    deadline = time.monotonic() + 10
    while time.monotonic() < deadline:
        with psycopg.connect(servers.environ["DATABASE_URL"]) as session:
            if is_encrypted(session) == is_on:
                return
        time.sleep(0.05)
    raise AssertionError("PostgreSQL did not take its settings over")


def is_encrypted(session: psycopg.Connection[Any]) -> bool:
    row = session.execute("SELECT ssl FROM pg_stat_ssl WHERE pid = pg_backend_pid()").fetchone()
    return row == (True,)


def read_queue(tls: Addresses, role: str, ca: str | None = None) -> QueueOptions:
    return read_options(QueueOptions, tls.redis(role, ca=ca))


def ask_client(options: QueueOptions) -> bool:
    """As bridge, workers, beat and pages use Redis directly."""
    with closing(connect_redis(options.redis)) as redis:
        redis.ping()
        return issubclass(redis.connection_pool.connection_class, SSLConnection)


def ask_celery(options: QueueOptions) -> bool:
    """As they send and take tasks."""
    with build_celery_app(options).connection_for_write() as connection:
        connection.ensure_connection(max_retries=1, interval_start=0)
        connection.default_channel.client.ping()
        return issubclass(connection.default_channel.pool.connection_class, SSLConnection)


def ask_as_flower(options: QueueOptions) -> bool:
    """As Flower reads the lengths of queues."""
    conf = build_celery_app(options).conf
    broker = Broker(
        options.redis.url,
        broker_options=conf.broker_transport_options,
        broker_use_ssl=conf.broker_use_ssl,
    )

    async def ask() -> list[int]:
        try:
            return [queue["messages"] for queue in await broker.queues(["ingest"])]
        finally:
            await broker.redis.aclose()

    return len(asyncio.run(ask())) == 1  # others may have left tasks there


@pytest.mark.parametrize(
    ("role", "ask"),
    [
        *((role, ask_client) for role in ("BRIDGE", "INGEST", "MAINTENANCE", "BEAT", "WEB")),
        *((role, ask_celery) for role in ("BRIDGE", "INGEST", "MAINTENANCE", "BEAT", "WEB")),
        ("FLOWER", ask_as_flower),
    ],
)
def test_it_comes_to_redis_by_tls_and_to_no_other(
    tls: Addresses, role: str, ask: Callable[[QueueOptions], bool]
) -> None:
    assert ask(read_queue(tls, role))
    for untrusted in (tls.other_ca, ""):  # another CA, and those of this machine
        with pytest.raises((RedisConnectionError, BrokerError), match="CERTIFICATE_VERIFY_FAILED"):
            ask(read_queue(tls, role, untrusted))


def test_it_wants_a_ca_with_tls_alone() -> None:
    settings = {"REDIS_URL": "redis://127.0.0.1:1/0", "REDIS_CA_FILE": "/x"}
    with pytest.raises(ValueError, match="expected with rediss://"):
        read_options(RedisOptions, settings)


@pytest.mark.parametrize("role", ["INGEST", "MAINTENANCE", "BEAT"])
def test_it_comes_to_postgresql_by_tls_and_to_no_other(tls: Addresses, role: str) -> None:
    with open_connection(tls.postgres(role), name="test", statement_timeout_s=10) as session:
        assert is_encrypted(session)
    with pytest.raises(psycopg.OperationalError, match="certificate verify failed"):
        open_connection(tls.postgres(role, ca=tls.other_ca), name="test", statement_timeout_s=10)


def test_it_stores_batches_by_tls(tls: Addresses, fleet: None, connection: Connection) -> None:
    """Bulk COPY."""
    message = RawMessage(CASES[0]["topic"], fill_in(CASES[0], datetime.now(UTC)))
    batch = claimed(received_at=datetime.now(UTC))
    url = tls.postgres("INGEST")
    with open_connection(url, name="test", statement_timeout_s=10) as session:
        validate_and_store(open_store(session), batch, [message])
    assert connection.execute("SELECT count(*) FROM reading").fetchone() == (3,)


def test_it_serves_pages_by_tls_and_from_no_other(tls: Addresses, connection: Connection) -> None:
    for ca in (tls.ca, tls.other_ca):
        database = make_django_database(tls.postgres("WEB", ca=ca), name="test")
        handler = ConnectionHandler({"default": database})
        with closing(handler["default"]) as django:
            if ca == tls.other_ca:
                with pytest.raises(OperationalError, match="certificate verify failed"):
                    django.ensure_connection()
            else:
                django.ensure_connection()
                assert is_encrypted(django.connection)
