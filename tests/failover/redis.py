"""Redis: one master, two replicas and three Sentinels on three hosts; the master's host is lost."""

import dataclasses
from collections.abc import Iterator
from contextlib import contextmanager
from urllib.parse import urlsplit

from redis import RedisError

from compose.local.servers.redis import Redis as RedisServer
from compose.local.servers.server import Place
from config.options import RedisOptions
from config.queue import connect_redis
from tests.bench.rig import Rig, wait_until
from tests.failover.node import EVERYWHERE, Node
from tests.hosts.network import Network

HOSTS = (2, 3, 4)
MASTER = "tds"
SENTINEL_PORT = 26379
DOWN_AFTER_S = 3


@contextmanager
def replicated_redis(rig: Rig, network: Network) -> Iterator[Node]:
    """The node of the master, while three run in the place of the rig's Redis."""
    rig.servers.redis.stop()
    server = rig.servers.redis.server
    assert isinstance(server, RedisServer)
    nodes = [_make_node(rig, network, server, number) for number in HOSTS]
    first = nodes[0]
    try:
        for node in nodes:
            node.configure(_render_settings(server, of=None if node is first else first))
            node.start()
        for node in nodes:
            _start_sentinel(node, server, first)
        addresses = ",".join(f"{node.address}:{SENTINEL_PORT}" for node in nodes)
        for name, url in server.environ().items():
            login = urlsplit(url).netloc.rpartition("@")[0]
            rig.environ[name] = f"sentinel://{login}@{addresses}/0?master={MASTER}"
        _wait_for_replicas(rig, count=len(nodes) - 1)
        yield first
    finally:
        for node in nodes:
            node.kill()


def _make_node(rig: Rig, network: Network, server: RedisServer, number: int) -> Node:
    place = Place(server.place.rootfs, f"{server.place.stack}/host-{number}")
    node_server = dataclasses.replace(server, place=place)
    return Node(network, number, node_server, log=rig.folder / f"redis-{number}.log")


def _render_settings(server: RedisServer, *, of: Node | None) -> str:
    lines = [
        f"bind {EVERYWHERE}",
        "protected-mode no",
        "masteruser operator",
        f"masterauth {server.passwords['operator']}",
    ]
    if of is not None:
        lines.append(f"replicaof {of.address} {server.port}")
    return "\n".join(lines)


def _start_sentinel(node: Node, server: RedisServer, first: Node) -> None:
    lines = [
        *(f"bind {EVERYWHERE}", f"port {SENTINEL_PORT}", "protected-mode no"),
        f"dir {node.server.inside()}",
        f"sentinel monitor {MASTER} {first.address} {server.port} 2",
        f"sentinel auth-user {MASTER} operator",
        f"sentinel auth-pass {MASTER} {server.passwords['operator']}",
        f"sentinel down-after-milliseconds {MASTER} {DOWN_AFTER_S * 1000}",
        f"sentinel failover-timeout {MASTER} 10000",
    ]
    node.server.write_private("sentinel.conf", "\n".join(lines) + "\n")
    node.start(["/usr/bin/redis-server", node.server.inside("sentinel.conf"), "--sentinel"])


def _wait_for_replicas(rig: Rig, *, count: int) -> None:
    redis = connect_redis(RedisOptions(rig.environ["REDIS_URL"]))

    def are_there() -> bool:
        try:
            info = redis.info("replication")
        except RedisError:
            return False
        states = [info.get(f"slave{number}", {}).get("state") for number in range(count)]
        return states == ["online"] * count

    wait_until(are_there, timeout_s=60, what=f"{count} replicas follow")
    redis.close()
