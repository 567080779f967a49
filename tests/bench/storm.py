"""Clients that connect with a bridge's client id again and again while messages flow: with the
passwords of gateways and of the dashboard, with none, and with a gateway's certificate.

Messages flow alone first, then beside them. Nothing may be lost, the bridge keeps its session, and
each attempt is refused and counted, or (with a certificate) let in under the gateway's own name.
"""

import socket
import ssl
import struct
import tempfile
import threading
import time
from collections import Counter
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

import psycopg
from redis import Redis

from compose.local.layout import StackError
from telemetry.queue.batches import BatchQueue, BrokerEvents
from telemetry.simulator.simulated_fleet import simulated_mac
from tests.bench.flow import Pipeline
from tests.bench.latency import POINTS, Announcements
from tests.bench.loud import measure_quiet, percentile
from tests.bench.results import Run
from tests.bench.rig import Rig, wait_until
from tests.certificates import Wallet

CLIENT_ID = "bridge-1"
GATEWAYS = 50
IDENTITIES = ("gateway", "dashboard", "", "certificate")
REFUSED, LET_IN = "refused", "let in under its own name"
ANSWERS = {0x00: LET_IN, 0x85: REFUSED}  # success; the client id is not valid


@dataclass(frozen=True)
class Storm:
    """Messages and connects a second, and for how long."""

    rate: float = 500.0
    connects: float = 100.0
    alone: float = 20.0
    seconds: float = 60.0


class Crowd:
    """Connects at a rate, each identity in a thread of its own."""

    def __init__(self, rig: Rig, *, connects: float, folder: Path) -> None:
        self.answers: Counter[tuple[str, str]] = Counter()
        self._environ = rig.environ
        self._every_s = len(IDENTITIES) / connects
        pair = Wallet(rig.environ, folder).make(simulated_mac(0))
        ca = Path(rig.environ["MQTT_TLS_FOLDER"]) / "ca.crt"
        self._tls = ssl.create_default_context(cafile=ca)
        self._tls.load_cert_chain(pair.with_suffix(".crt"), pair.with_suffix(".key"))
        self._is_over = False
        self._threads = [
            threading.Thread(target=self._connect_again_and_again, args=[identity], daemon=True)
            for identity in IDENTITIES
        ]

    def start(self) -> None:
        """Begin to connect. A rate that is not held is seen in the number of attempts."""
        for thread in self._threads:
            thread.start()

    def stop(self) -> None:
        """End, with the answers that are awaited."""
        self._is_over = True
        for thread in self._threads:
            thread.join()

    def _connect_again_and_again(self, identity: str) -> None:
        started_s, tries = time.monotonic(), 0
        while not self._is_over:
            self.answers[identity, self._connect(identity)] += 1
            tries += 1
            time.sleep(max(0.0, started_s + tries * self._every_s - time.monotonic()))

    def _connect(self, identity: str) -> str:
        environ = self._environ
        is_tls = identity == "certificate"
        port = environ["MQTT_TLS_PORT" if is_tls else "MQTT_PORT"]
        plain = socket.create_connection((environ["MQTT_HOST"], int(port)), timeout=10)
        with self._tls.wrap_socket(plain, server_hostname="127.0.0.1") if is_tls else plain as link:
            fields = [CLIENT_ID]
            if identity in ("gateway", "dashboard"):
                name = f"MQTT_{identity.upper()}"
                fields += [environ[f"{name}_USER"], environ[f"{name}_PASSWORD"]]
            flags = b"\xc2" if len(fields) > 1 else b"\x02"  # with a clean start
            texts = (struct.pack("!H", len(text)) + text.encode() for text in fields)
            body = b"\x00\x04MQTT\x05" + flags + b"\x00\x3c\x00" + b"".join(texts)
            link.sendall(bytes([0x10, len(body)]) + body)
            answer = link.recv(100)
        return ANSWERS.get(answer[3], answer.hex()) if len(answer) > 3 else "no answer"


def run_storm(load: Storm, *, concurrency: int) -> Run:
    """Latencies alone and beside, and what became of the attempts. Raises `StackError` when a
    message or a session is lost, or an attempt ends as none should."""
    with Rig(concurrency=concurrency) as rig, tempfile.TemporaryDirectory() as folder:
        pipeline = Pipeline(rig, gateways=GATEWAYS)
        crowd = Crowd(rig, connects=load.connects, folder=Path(folder))
        with (
            closing(Announcements(rig)) as announcements,
            psycopg.connect(rig.environ["DATABASE_URL"], autocommit=True) as connection,
        ):

            def measure(seconds: float) -> list[float]:
                return measure_quiet(
                    rig, connection, announcements,
                    gateways=GATEWAYS, rate=load.rate, seconds=seconds,
                )  # fmt: skip

            alone = measure(load.alone)
            crowd.start()
            beside = measure(load.seconds)
            crowd.stop()
        events = _wait_for_counters(rig, crowd)
        pipeline.close()
    _check(crowd, events)
    run: Run = {"connects tried": crowd.answers.total()}
    for (identity, answer), count in sorted(crowd.answers.items()):
        run[f"{identity or 'none'}: {answer}"] = count
    run["counted by the broker"] = sum(_denials(events).values())
    run["sessions lost"] = events.lost_sessions
    for point in POINTS:
        run[f"alone, p{point}, ms"] = percentile(alone, point)
        run[f"beside {load.connects:g} connects a second, p{point}, ms"] = percentile(beside, point)
    run["messages stored beside, all that were acknowledged"] = len(beside)
    return run


def _denials(events: BrokerEvents) -> dict[str, int]:
    return {
        name: count for name, count in events.denials.items() if name.startswith("denied_client_id")
    }


def _wait_for_counters(rig: Rig, crowd: Crowd) -> BrokerEvents:
    refused = sum(count for (_, answer), count in crowd.answers.items() if answer == REFUSED)
    with Redis.from_url(rig.environ["REDIS_URL"]) as redis:
        queue = BatchQueue(redis)
        wait_until(
            lambda: sum(_denials(queue.read_broker_events()).values()) >= refused,
            timeout_s=15,
            what=f"{refused:,} refused attempts are counted",
        )
        return queue.read_broker_events()


def _check(crowd: Crowd, events: BrokerEvents) -> None:
    due = {"gateway": REFUSED, "dashboard": REFUSED, "": REFUSED, "certificate": LET_IN}
    for (identity, answer), count in crowd.answers.items():
        if answer != due[identity]:
            raise StackError(f"{identity or 'nobody'}: {count} times {answer}, not {due[identity]}")
    if events.lost_sessions:
        raise StackError(f"the broker lost {events.lost_sessions} sessions of bridges")
