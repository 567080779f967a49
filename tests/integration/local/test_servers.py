"""The servers as `make up` and the tests start them: rights by role, and what outlives a crash."""

import os
import signal
from collections.abc import Iterator
from typing import Any

import psycopg
import pytest
from redis import Redis

from tests.integration.local.role_client import RoleClient

pytestmark = pytest.mark.integration

TELEMETRY = "tds_new/devices/aa:bb:cc:dd:ee:ff/telemetry"


@pytest.fixture
def connect(servers: Any) -> Iterator[Any]:
    clients = []

    def make(role: str, *, client_id: str = "", expiry_s: int = 0) -> RoleClient:
        client = RoleClient(servers.environ, role, client_id=client_id)
        client.connect(expiry_s=expiry_s)
        clients.append(client)
        return client

    yield make
    for client in clients:
        client.close()


@pytest.mark.parametrize(
    ("role", "topic", "answer"),
    [
        ("gateway", TELEMETRY, "Success"),
        ("gateway", "tds_new/devices/aa:bb:cc:dd:ee:ff/Telemetry", "Success"),
        ("gateway", "tds_new/device/aa:bb:cc:dd:ee:ff/telemetry/", "Success"),
        ("gateway", "tds_newer/devices/aa:bb:cc:dd:ee:ff/telemetry", "Not authorized"),
        ("gateway", "other/devices/aa:bb:cc:dd:ee:ff/telemetry", "Not authorized"),
        ("bridge", TELEMETRY, "Not authorized"),
        ("dashboard", TELEMETRY, "Not authorized"),
        ("admin", "anything/at/all", "Success"),
    ],
)
def test_it_lets_a_role_publish_only_what_is_its_own_when_connected(connect, role, topic, answer):
    client = connect(role)
    watcher = connect("admin")
    watcher.subscribe("#")

    # An unread topic is answered with "No matching subscribers"; the watcher keeps that away.
    assert client.publish(topic) == answer


@pytest.mark.parametrize("topic", ["#", "tds_new/#", "$share/any/tds_new/#"])
def test_it_delivers_nothing_to_a_gateway_when_it_subscribes(connect, topic):
    gateway, dashboard = connect("gateway"), connect("dashboard")
    gateway.subscribe(topic)
    dashboard.subscribe("tds_new/#")

    for _ in range(10):
        connect("gateway").publish(TELEMETRY)
    dashboard.wait_for(10)

    assert gateway.topics == []


def test_it_keeps_a_sessions_queue_when_the_broker_is_restarted(connect, servers):
    bridge = connect("bridge", client_id="bridge-restart", expiry_s=600)
    bridge.subscribe("tds_new/devices/+/telemetry")
    bridge.close()
    gateway = connect("gateway")
    for _ in range(50):
        gateway.publish(TELEMETRY)
    gateway.close()

    servers.mosquitto.restart()

    again = connect("bridge", client_id="bridge-restart", expiry_s=600)
    again.wait_for(50)
    again.close()
    connect("bridge", client_id="bridge-restart")  # a clean start ends the session


def test_it_keeps_every_answered_write_when_redis_is_killed(servers):
    address = servers.environ["REDIS_URL"]
    with Redis.from_url(address) as redis:
        for number in range(200):
            redis.rpush("killed", number)

    servers.redis.kill()
    servers.redis.start()

    with Redis.from_url(address) as redis:
        assert redis.llen("killed") == 200
        redis.delete("killed")


def test_it_keeps_every_commit_when_postgres_is_killed(servers):
    url = servers.environ["DATABASE_URL"]
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute("create table killed (n int)")
        connection.execute("insert into killed select generate_series(1, 200)")

    servers.postgres.kill()
    servers.postgres.start()

    with psycopg.connect(url, autocommit=True) as connection:
        assert connection.execute("select count(*) from killed").fetchone() == (200,)
        connection.execute("drop table killed")


def test_it_starts_postgres_again_when_a_child_of_the_killed_one_would_live_on(servers):
    """A new server refuses to start while one process of the old one holds its shared memory."""
    with psycopg.connect(servers.environ["DATABASE_URL"]) as connection:
        os.kill(connection.info.backend_pid, signal.SIGSTOP)
        servers.postgres.kill()
        servers.postgres.start()

    with psycopg.connect(servers.environ["DATABASE_URL"]) as connection:
        assert connection.execute("select 1").fetchone() == (1,)


def test_it_gives_the_owner_the_extension_and_no_more_when_it_logs_in(servers):
    with psycopg.connect(servers.environ["DATABASE_URL"], autocommit=True) as connection:
        connection.execute("create extension if not exists timescaledb")
        row = connection.execute(
            "select rolsuper, rolcreatedb from pg_roles where rolname = current_user"
        ).fetchone()

    assert row == (False, True)


@pytest.fixture(scope="module")
def durable_servers() -> Iterator[Any]:
    """Servers with the settings of the product and not of the other tests."""
    from tests.servers.server_set import ServerSet

    with pytest.MonkeyPatch.context() as patch:
        patch.delenv("TEST_FSYNC", raising=False)
        with ServerSet() as running:
            yield running


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("fsync", "on"),
        ("synchronous_commit", "on"),
        ("full_page_writes", "on"),
        ("TimeZone", "UTC"),
    ],
)
def test_it_runs_postgres_with_durable_settings_when_started(durable_servers, name, value):
    with psycopg.connect(durable_servers.environ["DATABASE_URL"]) as connection:
        assert connection.execute("select current_setting(%s)", [name]).fetchone() == (value,)


@pytest.mark.parametrize(
    ("name", "value"),
    [("appendonly", "yes"), ("appendfsync", "always"), ("maxmemory-policy", "noeviction")],
)
def test_it_runs_redis_with_durable_settings_when_started(durable_servers, name, value):
    with Redis.from_url(durable_servers.environ["REDIS_URL"], decode_responses=True) as redis:
        assert redis.config_get(name) == {name: value}
