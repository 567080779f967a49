"""What brings each alert about, and what ends it."""

import subprocess
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import psycopg
from redis import Redis

from compose.local.layout import PYTHON
from telemetry.core.batch import BROKER_KEY, COUNTERS_KEY, PURGE_LEDGER_TASK, REFRESH_TASK
from tests.bench.rig import Rig
from tests.chaos.supervised import Supervised

GATEWAYS = 20
WRONG = 14
"""Gateways whose clocks stand at 1970: the reject guard holds what they send."""
DISK_KB = 1024

ADD_DELIVERY = (
    "INSERT INTO alarm_delivery (event, alarm_ids, due_at, failed_at)"
    " VALUES ('raised', '{}', now(), now())"
)
AGE_REFRESH = "UPDATE task_run SET success_at = now() - interval '1 hour' WHERE name = %s"
FAIL_TASK = (
    "INSERT INTO task_run (name, error_at, error, duration_ms, result)"
    " VALUES (%s, now(), '-', 0, '{}')"
    " ON CONFLICT (name) DO UPDATE SET error_at = now() + interval '1 second'"
)
COUNT_CONNECTIONS = (
    "SELECT current_setting('max_connections')::int, (SELECT count(*) FROM pg_stat_activity)"
)
ADD_CERTIFICATE = (
    "INSERT INTO certificate (serial, gateway_id, common_name, pem, not_before, not_after, reason)"
    " SELECT 'monitoring', id, mac, '', now() - interval '1 day', now() + interval '3 days', ''"
    " FROM gateway ORDER BY id LIMIT 1"
)


class System:
    """The processes of the product on a rig, and what causes need of it."""

    def __init__(self, rig: Rig, *, disk: Path, metrics_port: int) -> None:
        self.rig = rig
        self.disk = disk
        rig.environ |= {
            "GUARD_WINDOW_S": "5", "GATEWAY_OFFLINE_AFTER_S": "3600",
            "METRICS_PORT": str(metrics_port), "ALARM_DISKS": str(disk),
        }  # fmt: skip
        rig.simulate(count=1, gateways=GATEWAYS + WRONG)
        names = ("bridge", "worker-ingest", "worker-maintenance", "beat", "metrics")
        self.processes: dict[str, Supervised] = {name: rig.start(name) for name in names}
        rig.wait_for_bridge("bridge-1")
        self.redis: Redis = Redis.from_url(rig.environ["REDIS_URL"])
        self.send_all()  # who never sent anything is offline
        self.connection = psycopg.connect(rig.environ["DATABASE_URL"], autocommit=True)

    def stop(self, name: str) -> None:
        """End a process."""
        self.processes[name].stop()

    def start(self, name: str) -> None:
        """Start it again."""
        self.processes[name] = self.rig.start(name)

    def send(self, *arguments: str) -> Supervised:
        """Publish, in the background."""
        argv = [str(PYTHON), "-m", "tests.bench.load", *arguments]
        return self.rig.launch(f"load-{time.monotonic_ns()}", argv)

    def send_all(self) -> None:
        """A message of every gateway."""
        count = str(GATEWAYS + WRONG)
        load = self.send("--rate", count, "--seconds", "3", "--gateways", count)
        while load.is_running:
            time.sleep(0.1)

    def execute(self, statement: str, *values: Any) -> None:
        """Change the database as no process does."""
        self.connection.execute(statement, values)


Cause = Iterator[set[str]]
"""It brings something about and yields the alerts that this must raise; at last it ends all."""


def no_bridge(system: System) -> Cause:
    system.stop("bridge")
    yield {"TdsNoBridge"}
    system.start("bridge")


def no_beat(system: System) -> Cause:
    system.stop("beat")
    system.execute(AGE_REFRESH, REFRESH_TASK)
    system.execute(FAIL_TASK, PURGE_LEDGER_TASK)
    yield {"TdsNoBeat", "TdsAggregatesAreStale", "TdsTaskFails"}
    system.execute("UPDATE task_run SET error_at = NULL WHERE name = %s", PURGE_LEDGER_TASK)
    system.start("beat")


def no_pool(system: System) -> Cause:
    system.stop("worker-ingest")
    system.send("--rate", "20", "--seconds", "2", "--gateways", str(GATEWAYS))
    yield {"TdsPendingIsOld"}
    time.sleep(5)
    system.start("worker-ingest")
    yield {"TdsStoringIsSlow"}


def wrong_clocks(system: System) -> Cause:
    them = ("--first-gateway", str(GATEWAYS), "--gateways", str(WRONG), "--rate", str(WRONG))
    wrong = system.send(*them, "--seconds", "120", "--from-1970")
    yield {"TdsGuardHolds", "TdsManyAreRejected"}
    wrong.stop()
    system.send(*them, "--seconds", "25")


def full_redis(system: System) -> Cause:
    before = system.redis.config_get("maxmemory")["maxmemory"] or "0"
    system.redis.config_set("maxmemory", int(system.redis.info("memory")["used_memory"] / 0.92))
    yield {"TdsRedisIsFull"}
    system.redis.config_set("maxmemory", before)


def lost_messages(system: System) -> Cause:
    system.redis.hincrby(COUNTERS_KEY, "received_messages", 3)
    system.redis.hincrby(BROKER_KEY, "dropped", 3)
    yield {"TdsBrokerDroppedMessages"}
    yield {"TdsMessagesAreNotAccountedFor"}  # which is read once a minute
    system.redis.hincrby(COUNTERS_KEY, "received_messages", -3)


def left_alone(system: System) -> Cause:
    system.execute("UPDATE gateway SET is_online = false")
    system.execute(ADD_DELIVERY)
    system.execute(ADD_CERTIFICATE)
    yield {"TdsManyGatewaysOffline", "TdsAlarmsAreNotDelivered"}
    yield {"TdsCertificatesEnd"}
    system.execute("DELETE FROM alarm_delivery")
    system.execute("DELETE FROM certificate")
    system.send_all()


def full_servers(system: System) -> Cause:
    (system.disk / "file").write_bytes(b"x" * (DISK_KB - 64) * 1024)
    with ExitStack() as opened:
        [(most, used)] = system.connection.execute(COUNT_CONNECTIONS).fetchall()
        for _ in range(int(most * 0.9) - used):
            opened.enter_context(psycopg.connect(system.rig.environ["DATABASE_URL"]))
        yield {"TdsDiskIsFilling", "TdsDatabaseConnectionsRunOut"}
    (system.disk / "file").unlink()


def no_metrics(system: System) -> Cause:
    system.stop("metrics")
    yield {"TdsMetricsAreMissing"}
    system.start("metrics")


CAUSES = (
    *(no_bridge, no_beat, no_pool, wrong_clocks, full_redis, lost_messages, left_alone),
    *(full_servers, no_metrics),
)


@contextmanager
def small_disk(folder: Path) -> Iterator[Path]:
    """A disk of a megabyte, which only root can make."""
    folder.mkdir()
    argv = ["mount", "-t", "tmpfs", "-o", f"size={DISK_KB}k", "test", str(folder)]
    subprocess.run(argv, check=True)
    try:
        yield folder
    finally:
        subprocess.run(["umount", "--lazy", str(folder)], check=True)
