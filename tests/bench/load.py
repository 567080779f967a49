"""A generator that costs little: `python -m tests.bench.load --rate 5000 --seconds 60`.

Some connections publish for many gateways at an even rate with QoS 1 and count the answers; each
message's timestamp is the instant at which it was made. MQTT 3.1.1, for its constant PUBACK. It
prints `acknowledged seconds` fifty times a second. For `bench` only.
"""

import argparse
import os
import signal
import socket
import ssl
import struct
import time
from datetime import UTC, datetime, timedelta

from compose.local.layout import StackError
from config.env import read_options
from config.options import BrokerOptions
from telemetry.simulator.simulated_fleet import simulated_mac

UNANSWERED = 60_000
SAY_EVERY_S = 0.02
TICK_S = 0.002
DEVICES = (("D01", "kWh"), ("D02", "m³"), ("D03", "°C"))

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class Link:
    """One connection. `acknowledged` counts its PUBACKs."""

    def __init__(self, number: int) -> None:
        self.sent = 0
        self.acknowledged = 0
        self._socket = _connect(f"bench-load-{os.getpid()}-{number}")
        self._unsent = bytearray()
        self._half = b""

    def add(self, header: bytes, body: bytes) -> None:
        """Queue a message: what stands before its packet id, and what stands behind it."""
        packet_id = self.sent % 0xFFFF + 1
        self.sent += 1
        self._unsent += header + packet_id.to_bytes(2, "big") + body

    def exchange(self) -> None:
        """Send and receive what the socket takes and has. Raises `StackError`."""
        try:
            if self._unsent:
                del self._unsent[: self._socket.send(self._unsent)]
        except (BlockingIOError, ssl.SSLWantWriteError, ssl.SSLWantReadError):
            pass
        data = self._half + self._receive()
        whole = len(data) // 4
        self._half = data[whole * 4 :]
        if data[: whole * 4 : 4].strip(b"\x40"):
            raise StackError("the broker answered with something else than a PUBACK")
        self.acknowledged += whole

    def _receive(self) -> bytes:
        """All that is there: a read gives one record of TLS, which may be one answer."""
        received = b""
        while True:
            try:
                more = self._socket.recv(1_048_576)
            except (BlockingIOError, ssl.SSLWantReadError):
                return received
            if not more:
                raise StackError("the broker closed the connection of the generator")
            received += more
            if not isinstance(self._socket, ssl.SSLSocket):
                return received


class Generator:
    """Publishes at a rate until told how many."""

    def __init__(
        self, *, gateways: range, connections: int, prefix: str, is_from_1970: bool = False
    ) -> None:
        self._sent = 0
        self._stamp_us = 0
        self._behind_us = time.time_ns() // 1000 if is_from_1970 else 0
        self._is_stopped = False
        self._links = [Link(number) for number in range(connections)]
        self._templates = [_make_template(simulated_mac(n), prefix) for n in gateways]

    @property
    def acknowledged(self) -> int:
        """Messages that the broker answered."""
        return sum(link.acknowledged for link in self._links)

    def stop(self) -> None:
        """Publish no more: `run` ends when what was sent is answered."""
        self._is_stopped = True

    def run(self, *, rate: float, count: int) -> None:
        """Publish `count` messages and wait for their answers, 30 s at most after the last."""
        started_s = said_s = last_sent_s = time.monotonic()
        while (acknowledged := self.acknowledged) < count:
            if self._is_stopped:
                count = self._sent
            now_s = time.monotonic()
            if now_s - said_s >= SAY_EVERY_S:
                said_s = now_s
                self._say(now_s - started_s)
            due = min(count, int((now_s - started_s) * rate)) - self._sent
            due = min(due, UNANSWERED - self._sent + acknowledged)
            if due > 0:
                last_sent_s = now_s
            for _ in range(due):
                self._send()
            for link in self._links:
                link.exchange()
            if now_s - last_sent_s > 30:
                raise StackError(f"{count - acknowledged} messages were never answered")
            time.sleep(TICK_S)
        self._say(time.monotonic() - started_s)

    def _say(self, elapsed_s: float) -> None:
        print(self.acknowledged, f"{elapsed_s:.3f}", flush=True)

    def _send(self) -> None:
        number = self._sent
        self._sent += 1
        gateway = number % len(self._templates)
        self._stamp_us = max(self._stamp_us + 1, time.time_ns() // 1000 - self._behind_us)
        stamp = (_EPOCH + timedelta(microseconds=self._stamp_us)).isoformat(timespec="microseconds")
        header, body = self._templates[gateway]
        values = (number % 900_000, number % 7_000, number % 300)
        link = self._links[gateway % len(self._links)]
        link.add(header, body % (stamp.encode(), *values))


def _make_template(mac: str, prefix: str) -> tuple[bytes, bytes]:
    """What stands before the packet id, and the payload to be filled; always of one length."""
    topic = f"{prefix}/devices/{mac}/telemetry".encode()
    items = ",".join(
        f'{{"dispositivo_codigo":"{code}","valor":%06d.25,"unidade":"{unit}"}}'.replace(
            "%06d", "1%06d"
        )
        for code, unit in DEVICES
    )
    body = f'{{"gateway_mac":"{mac}","timestamp":"%s","leituras":[{items}]}}'.encode()
    length = 2 + len(topic) + 2 + len(body % (b"2026-01-01T00:00:00.000000+00:00", 0, 0, 0))
    return b"\x32" + _encode_length(length) + struct.pack("!H", len(topic)) + topic, body


def _encode_length(length: int) -> bytes:
    encoded = bytearray()
    while True:
        length, low = divmod(length, 128)
        encoded.append(low | 0x80 if length else low)
        if not length:
            return bytes(encoded)


def _connect(client_id: str) -> socket.socket:
    fields = (client_id, os.environ["MQTT_GATEWAY_USER"], os.environ["MQTT_GATEWAY_PASSWORD"])
    body = struct.pack("!H4sBBH", 4, b"MQTT", 4, 0xC2, 0)  # clean session, user, password
    body += b"".join(struct.pack("!H", len(text)) + text.encode() for text in fields)
    host = os.environ["MQTT_HOST"]
    link = socket.create_connection((host, int(os.environ["MQTT_PORT"])), 10)
    link.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    tls = read_options(BrokerOptions).make_tls()
    if tls is not None:
        link = tls.wrap_socket(link, server_hostname=host)
    link.sendall(b"\x10" + _encode_length(len(body)) + body)
    answer = link.recv(4)
    if answer != b"\x20\x02\x00\x00":
        raise StackError(f"the broker refused the generator: {answer.hex()}")
    link.settimeout(0)
    return link


def main() -> None:
    """Publish as the command line says."""
    parser = argparse.ArgumentParser(description=__doc__, prog="python -m tests.bench.load")
    parser.add_argument("--rate", type=float, required=True, help="messages a second")
    parser.add_argument("--seconds", type=float, required=True)
    parser.add_argument("--gateways", type=int, default=50)
    parser.add_argument("--first-gateway", type=int, default=0, help="number of the first one")
    parser.add_argument("--connections", type=int, default=10)
    parser.add_argument(
        "--from-1970", action="store_true", help="with clocks that began at the start of 1970"
    )
    options = parser.parse_args()
    prefix = os.environ.get("MQTT_TOPIC_PREFIX", "tds_new")
    generator = Generator(
        gateways=range(options.first_gateway, options.first_gateway + options.gateways),
        connections=options.connections,
        prefix=prefix,
        is_from_1970=options.from_1970,
    )
    signal.signal(signal.SIGTERM, lambda *_: generator.stop())
    generator.run(rate=options.rate, count=int(options.rate * options.seconds))


if __name__ == "__main__":
    main()
