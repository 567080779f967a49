"""The whole system: real broker, bridge, workers, beat, as separate processes."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.request import urlopen

import psycopg
import pytest
from paho.mqtt.client import Client
from paho.mqtt.enums import CallbackAPIVersion, MQTTProtocolVersion

from compose.local.stack.programs import ADDRESSES, limit_addresses
from telemetry.queue.batches import BatchQueue
from telemetry.queue.bridges import read_bridges
from telemetry.store.db.connection import Connection
from telemetry.store.operations.delivery_report import DeliveryReport, read_report
from tests.acceptance.processes import Process, wait_until
from tests.servers.free_ports import find_free_ports

END_SESSIONS = """
SELECT pg_terminate_backend(pid, 10000) FROM pg_stat_activity
WHERE datname = current_database() AND usename LIKE 'tds%' AND pid <> pg_backend_pid()
"""


@dataclass
class Pipeline:
    """The running processes, and what the tests ask of them."""

    environ: dict[str, str]
    connection: Connection
    queue: BatchQueue
    logs: Path
    processes: dict[str, Process]

    def add(self, name: str, *arguments: str, **environ: str) -> Process:
        """Start another process."""
        process = Process(
            name, list(arguments), {**self.environ, **environ}, self.logs / f"{name}.log"
        )
        self.processes[name] = process
        process.start()
        return process

    def add_bridge(self, client_id: str = "bridge-1", **environ: str) -> Process:
        """Start a bridge and wait until it is subscribed."""
        process = self.start_bridge(client_id, **environ)
        self.wait_for_bridge(client_id)
        return process

    def start_bridge(self, client_id: str, **environ: str) -> Process:
        """Start a bridge."""
        own = find_addresses(self.environ, script="bridge")
        del own["DATABASE_URL"]
        environ = {**own, **environ}
        return self.add(client_id, "-m", "ingest_bridge", "--client-id", client_id, **environ)

    def wait_for_bridge(self, client_id: str) -> None:
        """Wait until a bridge is subscribed."""
        process = self.processes[client_id]
        wait_until(
            lambda: self.is_bridge_ready(client_id),
            timeout_s=30,
            what=lambda: f"{client_id} is subscribed\n{process.read_log()}",
        )

    def add_worker(self, pool: str, *, concurrency: int = 1) -> Process:
        """Start a worker pool and wait until it consumes."""
        process = self.start_worker(pool, concurrency=concurrency)
        self.wait_for_worker(pool)
        return process

    def start_worker(self, pool: str, *, concurrency: int = 1) -> Process:
        """Start a worker pool."""
        script = {"ingest": "worker-ingest", "maintenance": "worker-maintenance"}[pool]
        return self.add(
            pool,
            *("-m", "celery", "-A", APPS[pool], "worker", "-Q", pool, "-n", f"{pool}@test"),
            *("--concurrency", str(concurrency), "--without-mingle", "--without-gossip"),
            **find_addresses(self.environ, script=script),
        )

    def wait_for_worker(self, pool: str) -> None:
        """Wait until a worker pool consumes."""
        process = self.processes[pool]
        wait_until(
            lambda: f"{pool}@test ready" in process.read_log(),
            timeout_s=30,
            what=lambda: f"{pool} consumes\n{process.read_log()}",
        )

    def add_safety_net(self) -> None:
        """Beat, and a maintenance pool that soon sends again what has no task any more."""
        self.environ["BATCH_STALE_AFTER_S"] = "3"
        self.add_worker("maintenance")
        own = find_addresses(self.environ, script="beat")
        self.add("beat", "-m", "celery", "-A", "config", "beat", **own)

    def is_bridge_ready(self, client_id: str) -> bool:
        """Whether a bridge says that it is subscribed."""
        return any(
            bridge.client_id == client_id and bridge.state == "ready"
            for bridge in read_bridges(self.queue.redis)
        )

    def report(self) -> DeliveryReport:
        """The delivery report, with the rows counted."""
        return read_report(self.connection, self.queue, count_rows=True)

    def wait_for_received(self, count: int, *, timeout_s: float = 60) -> DeliveryReport:
        """Wait until at least `count` messages were received and all were stored."""
        wait_until(
            lambda: self.queue.snapshot().received_messages >= count,
            timeout_s=timeout_s,
            what=lambda: (
                f"{count} messages received, {self.queue.snapshot().received_messages} so far"
            ),
        )
        wait_until(
            lambda: not self.queue.snapshot().pending,
            timeout_s=timeout_s,
            what=lambda: f"nothing pending: {self.queue.snapshot().pending[:3]}",
        )
        return self.report()

    def stop(self) -> None:
        """Kill every process, which is quicker than to stop it, and end what it did in the
        database."""
        for process in self.processes.values():
            process.kill()
        self.connection.execute(END_SESSIONS)


@pytest.fixture
def empty_pipeline(
    stack_environ: dict[str, str],
    environ: dict[str, str],
    connection: Connection,
    queue: BatchQueue,
    fleet: None,
    tmp_path: Path,
) -> Iterator[Pipeline]:
    """Servers and an empty system; the test starts the processes."""
    pipeline = Pipeline(dict(stack_environ), connection, queue, tmp_path, {})
    yield pipeline
    pipeline.stop()
    end_sessions(pipeline)
    denied: Any = queue.redis.acl_log()
    queue.redis.acl_log_reset()
    assert denied == [], "a process asked Redis for what its user may not do"


def end_sessions(pipeline: Pipeline) -> None:
    """End the broker sessions that a test's bridges left, or they would queue for the next test.

    A clean start discards what the session holds (MQTT 5.0, section 3.1.2.4).
    """
    environ = pipeline.environ
    for member in pipeline.queue.redis.smembers("ingest:sessions"):
        client = Client(
            CallbackAPIVersion.VERSION2,
            client_id=member.decode(),
            protocol=MQTTProtocolVersion.MQTTv5,
        )
        client.username_pw_set(environ["MQTT_BRIDGE_USER"], environ["MQTT_BRIDGE_PASSWORD"])
        client.connect(environ["MQTT_HOST"], int(environ["MQTT_PORT"]), clean_start=True)
        client.loop_start()
        wait_until(client.is_connected, timeout_s=10, what=f"a clean session of {member!r}")
        client.disconnect()
        client.loop_stop()


@pytest.fixture
def ingesting(empty_pipeline: Pipeline) -> Pipeline:
    """One bridge and the pool that stores, ready: for tests that ask nothing of another process."""
    start_together(empty_pipeline, "ingest")
    return empty_pipeline


@pytest.fixture
def pipeline(empty_pipeline: Pipeline) -> Pipeline:
    """One bridge and both pools, ready."""
    start_together(empty_pipeline, *APPS)
    return empty_pipeline


def start_together(pipeline: Pipeline, *pools: str) -> None:
    """Start a bridge and pools, and wait for all."""
    pipeline.start_bridge("bridge-1")
    for pool in pools:
        pipeline.start_worker(pool, concurrency=2 if pool == "ingest" else 1)
    pipeline.wait_for_bridge("bridge-1")
    for pool in pools:
        pipeline.wait_for_worker(pool)


APPS = {"ingest": "config.ingest", "maintenance": "config"}


class Gateways:
    """A real MQTT publisher with the gateways' credentials."""

    def __init__(self, environ: dict[str, str]) -> None:
        self._client = Client(CallbackAPIVersion.VERSION2, protocol=MQTTProtocolVersion.MQTTv5)
        self._client.username_pw_set(environ["MQTT_GATEWAY_USER"], environ["MQTT_GATEWAY_PASSWORD"])
        self._client.max_queued_messages_set(0)
        self._client.max_inflight_messages_set(500)
        self._client.connect(environ["MQTT_HOST"], int(environ["MQTT_PORT"]))
        self._client.loop_start()

    def publish(self, topic: str, payload: bytes, *, qos: int = 1) -> Any:
        """Publish and return at once."""
        return self._client.publish(topic, payload, qos=qos)

    def publish_and_wait(self, topic: str, payload: bytes, *, qos: int = 1) -> None:
        """Publish and wait for the broker's acknowledgement."""
        self.publish(topic, payload, qos=qos).wait_for_publish(10)

    def close(self) -> None:
        """Disconnect."""
        self._client.disconnect()
        self._client.loop_stop()


@pytest.fixture
def gateways(stack_environ: dict[str, str], servers: Any) -> Iterator[Gateways]:
    """Gateways that publish."""
    publisher = Gateways(stack_environ)
    yield publisher
    publisher.close()


@pytest.fixture
def web(empty_pipeline: Pipeline) -> str:
    """The web process; its address. It needs no pool and no bridge to serve."""
    [port] = find_free_ports(1)
    url = f"http://127.0.0.1:{port}"
    process = empty_pipeline.add(
        "web", "-m", "gunicorn", "config.wsgi:application", "--bind", f"127.0.0.1:{port}",
        "--threads", "4", "--log-level", "warning",
        **find_addresses(empty_pipeline.environ, script="web"),
    )  # fmt: skip

    def is_healthy() -> bool:
        try:
            with urlopen(f"{url}/health", timeout=2) as reply:
                return json.load(reply)["status"] == "ok"
        except OSError:
            return False

    wait_until(is_healthy, timeout_s=30, what=f"the web process serves\n{process.read_log()}")
    return url


def find_addresses(environ: dict[str, str], *, script: str) -> dict[str, str]:
    """The servers' addresses, as the local stack gives them to a process."""
    limited = limit_addresses(environ, script=script)
    return {name: limited[name] for name in ADDRESSES}


def fetch(connection: Connection, statement: str) -> list[tuple[Any, ...]]:
    """All rows of a query."""
    try:
        return connection.execute(statement).fetchall()  # type: ignore[arg-type]
    except psycopg.Error as error:
        raise AssertionError(f"{statement}: {error}") from error
