"""PostgreSQL: a primary and a streaming replica on two hosts; the primary's host is lost."""

import dataclasses
import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from urllib.parse import urlsplit

import psycopg

from compose.local.layout import StackError
from compose.local.servers.postgres import Postgres
from compose.local.servers.rootfs import POSTGRES_BIN
from compose.local.servers.server import Place
from tests.bench.rig import Rig, wait_until
from tests.failover.node import Node
from tests.hosts.network import SUBNET, Network

HOSTS = (2, 3)
HBA = (
    f"host all all {SUBNET}.0/24 scram-sha-256\n"
    f"host replication replicator {SUBNET}.0/24 scram-sha-256\n"
)


@contextmanager
def replicated_postgres(
    rig: Rig, network: Network, *, is_synchronous: bool
) -> Iterator[tuple[Node, Node]]:
    """The nodes of primary and standby, while they run in the place of the rig's PostgreSQL."""
    rig.servers.postgres.stop()
    server = rig.servers.postgres.server
    assert isinstance(server, Postgres)
    password = secrets.token_hex(16)
    role = f"CREATE ROLE replicator REPLICATION LOGIN PASSWORD '{password}';\n\n"
    server.run_alone(server.inside(), role)
    primary = Node(network, HOSTS[0], server, log=rig.folder / "postgres-primary.log")
    place = Place(server.place.rootfs, f"{server.place.stack}/standby")
    standby_server = dataclasses.replace(server, place=place)
    standby = Node(network, HOSTS[1], standby_server, log=rig.folder / "postgres-standby.log")
    try:
        names = "ANY 1 (*)" if is_synchronous else ""
        primary.configure(f"listen_addresses = '*'\nsynchronous_standby_names = '{names}'")
        with (server.folder / "pg_hba.conf").open("a", encoding="utf-8") as file:
            file.write(HBA)
        primary.start()
        _copy(primary, standby, password=password)
        with (standby_server.folder / server.settings_file).open("a", encoding="utf-8") as file:
            file.write("synchronous_standby_names = ''\n")
        standby.start()
        addresses = ",".join(f"{node.address}:{server.port}" for node in (primary, standby))
        for name, url in server.environ().items():
            login = urlsplit(url).netloc.rpartition("@")[0]
            rig.environ[name] = (
                f"postgres://{login}@{addresses}/tds?target_session_attrs=read-write"
            )
        wait_until(lambda: _follows(rig, standby), timeout_s=60, what="the standby follows")
        yield primary, standby
    finally:
        standby.kill()
        primary.kill()


def promote(node: Node) -> None:
    """Let a standby become the primary, as a tool of failover does. Raises `StackError`."""
    argv = [f"{POSTGRES_BIN}/pg_ctl", "promote", "-D", node.server.inside()]
    done = node.server.place.rootfs.run("postgres", argv)
    if done.returncode:
        raise StackError(f"the standby was not promoted: {done.stdout}{done.stderr}")


def _copy(primary: Node, standby: Node, *, password: str) -> None:
    """What `pg_basebackup` makes of a primary as soon as it serves."""
    server, rootfs = standby.server, standby.server.place.rootfs
    uid, gid = rootfs.find_user("postgres")
    server.place.folder.mkdir(parents=True)
    os.chown(server.place.folder, uid, gid)
    source = f"host={primary.address} port={server.port} user=replicator password={password}"
    argv = [f"{POSTGRES_BIN}/pg_basebackup", "-d", source, "-D", server.inside(), "-R"]
    failed = ""

    def is_copied() -> bool:
        nonlocal failed
        done = rootfs.run("postgres", [*argv, "--checkpoint=fast"])
        failed = done.stderr
        return done.returncode == 0

    try:
        wait_until(is_copied, timeout_s=60, what="the standby has the data")
    except StackError as error:
        raise StackError(f"{error}: {failed}") from error


def _follows(rig: Rig, standby: Node) -> bool:
    """Whether the standby answers and receives."""
    login = urlsplit(rig.environ["DATABASE_URL"]).netloc.rpartition("@")[0]
    url = f"postgres://{login}@{standby.address}:{standby.server.port}/tds"
    try:
        with psycopg.connect(url, connect_timeout=3) as connection:
            row = connection.execute("SELECT pg_last_wal_receive_lsn() IS NOT NULL").fetchone()
    except psycopg.Error:
        return False
    return row == (True,)
