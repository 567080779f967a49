"""The users of Redis: nobody without a name, and each with what its process needs."""

from collections.abc import Iterator
from typing import Any

import pytest
from celery import Celery
from redis import Redis
from redis.exceptions import AuthenticationError, NoPermissionError

from compose.local.servers.redis import ROLES
from config.env import read_options
from config.options import QueueOptions
from config.queue import build_celery_app
from telemetry.queue.pings import ask_pools, note_seen

pytestmark = pytest.mark.integration


@pytest.fixture
def connect(servers: Any) -> Iterator[Any]:
    opened: list[Redis] = []

    def make(role: str) -> Redis:
        client = Redis.from_url(servers.environ[f"{role.upper()}_REDIS_URL"], protocol=2)
        opened.append(client)
        return client

    yield make
    with Redis.from_url(servers.environ["REDIS_URL"]) as operator:
        operator.flushdb()
        operator.acl_log_reset()
    for client in opened:
        client.close()


def test_a_restart_keeps_what_transactions_wrote(connect: Any, servers: Any) -> None:
    """Redis reads its file as the default user, whom nobody can be."""
    bridge = connect("bridge")
    with bridge.pipeline(transaction=True) as steps:
        steps.hset("ingest:kept", "messages", 7).zadd("ingest:waiting", {"x": 1})
        steps.execute()
    bridge.close()
    servers.redis.kill()
    servers.redis.start()
    assert bridge.hgetall("ingest:kept") == {b"messages": b"7"}
    assert bridge.zcard("ingest:waiting") == 1


def test_it_lets_nobody_in_without_a_name(servers: Any) -> None:
    password = servers.environ["REDIS_URL"].split(":")[2].split("@")[0]
    for given in ("", f":{password}@"):
        url = f"redis://{given}127.0.0.1:{servers.redis.port}/0"
        with Redis.from_url(url, protocol=2) as redis, pytest.raises(AuthenticationError):
            redis.ping()


@pytest.mark.parametrize("role", [role for role in ROLES if role != "operator"])
@pytest.mark.parametrize(
    "command",
    ["FLUSHALL", "FLUSHDB", "CONFIG GET dir", "KEYS *", "SHUTDOWN", "MONITOR",
     "ACL LIST", "CLIENT LIST", "REPLICAOF NO ONE", "MODULE LIST", "FUNCTION LIST", "SCRIPT FLUSH",
     "GET other", "SET other 1"],
)  # fmt: skip
def test_it_refuses_to_every_process(connect: Any, role: str, command: str) -> None:
    with pytest.raises(NoPermissionError):
        connect(role).execute_command(*command.split())


@pytest.mark.parametrize(
    ("role", "command"),
    [
        ("bridge", "LPOP maintenance"),
        ("bridge", "DEL unacked"),
        ("bridge", "SUBSCRIBE /0.celery.pidbox"),
        ("ingest", "LPUSH maintenance x"),
        ("ingest", "GET export:user:1:0"),
        ("beat", "HGETALL ingest:batch:x"),
        ("beat", "LPUSH ingest x"),
        ("beat", "SUBSCRIBE /0.celery.pidbox"),
        ("flower", "HGETALL ingest:batch:x"),
        ("flower", "LPUSH maintenance x"),
        ("flower", "DEL ingest"),
        ("web", "DEL unacked"),
    ],
)
def test_it_refuses_to_a_process_what_another_needs(connect: Any, role: str, command: str) -> None:
    with pytest.raises(NoPermissionError):
        connect(role).execute_command(*command.split())


def test_it_refuses_a_script_what_it_refuses_its_user(connect: Any) -> None:
    with pytest.raises(NoPermissionError):
        connect("bridge").eval("return redis.call('DEL', KEYS[1])", 1, "maintenance")


def test_it_lets_web_ask_a_pool_that_does_not_answer(connect: Any, servers: Any) -> None:
    """Celery looks for tasks to send again while it waits; who takes none leaves that to pools."""
    options = read_options(
        QueueOptions, {**servers.environ, "REDIS_URL": servers.environ["WEB_REDIS_URL"]}
    )
    app, operator = build_celery_app(options), Redis.from_url(servers.environ["REDIS_URL"])
    note_seen(operator, "ingest@gone")
    [pool] = ask_pools(app, connect("web"), wanted=1)
    assert (pool.name, pool.ok) == ("ingest@gone", False)
    assert operator.acl_log() == []
    app.close()
    operator.close()


def test_it_lets_flower_follow_events(servers: Any) -> None:
    app = Celery(broker=servers.environ["FLOWER_REDIS_URL"], set_as_current=False)
    with app.connection() as connection, pytest.raises(TimeoutError):  # there are none
        app.events.Receiver(connection).capture(timeout=1, wakeup=False)
    app.close()
    with Redis.from_url(servers.environ["REDIS_URL"]) as operator:
        log: Any = operator.acl_log()
        denied = [entry["object"] for entry in log if entry["reason"] == "command"]
    assert denied == []
