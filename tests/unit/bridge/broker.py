"""The other end of a session: a broker that says what a test wants it to say, byte by byte."""

import socket
import ssl
import struct
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

from config.env import read_options
from config.options import BridgeOptions
from ingest_bridge.session import Session
from telemetry.core.batch import RawMessage

HOST = "127.0.0.1"
CERTIFICATE = Path(__file__).parents[2] / "tls/broker.crt"
TOPIC = "tds_new/devices/aa:bb:cc:dd:ee:ff/telemetry"
CONNACK = bytes.fromhex("20 03 00 00 00")
CONNACK_PRESENT = bytes.fromhex("20 03 01 00 00")  # the broker has kept the session
SUBACK = bytes.fromhex("90 05 0001 00 01 00")
PROPERTIES = bytes.fromhex("26 0001 61 0002 6262")  # a user property: a = bb


def encode_length(length: int) -> bytes:
    out = bytearray()
    while True:
        length, digit = divmod(length, 128)
        out.append(digit | (0x80 if length else 0))
        if not length:
            return bytes(out)


def publish(
    payload: bytes, *, qos: int = 1, packet_id: int = 1, topic: str = TOPIC, properties: bytes = b""
) -> bytes:
    """A PUBLISH packet of MQTT 5."""
    raw = topic.encode()
    body = struct.pack("!H", len(raw)) + raw
    if qos:
        body += struct.pack("!H", packet_id)
    body += encode_length(len(properties)) + properties + payload
    return bytes([0x30 | qos << 1]) + encode_length(len(body)) + body


def make_server_tls() -> ssl.SSLContext:
    """The broker's side of TLS."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(CERTIFICATE, CERTIFICATE.with_suffix(".key"))
    return context


class Broker:
    """The other end of a session: says what a test wants it to say, byte by byte."""

    def __init__(self, *, bulk: bool, tls: bool = False, **environ: str) -> None:
        self._tls = make_server_tls() if tls else None
        self._listener = socket.create_server((HOST, 0))
        self._listener.settimeout(5)
        self.port = self._listener.getsockname()[1]
        environ = {
            "REDIS_URL": "redis://127.0.0.1:1/0",
            "MQTT_HOST": HOST,
            "MQTT_PORT": str(self.port),
            "MQTT_BRIDGE_USER": "bridge",
            "MQTT_BRIDGE_PASSWORD": "secret",
            "BRIDGE_SHARE_GROUP": "ingest",
            "BRIDGE_CLIENT_ID": "bridge-1",
            "MQTT_TLS_CA_FILE": str(CERTIFICATE) if tls else "",
            **environ,
        }
        options = replace(read_options(BridgeOptions, environ), bulk_read=bulk)
        self.received: list[tuple[RawMessage, int]] = []
        self.session = Session(options, on_message=lambda *pair: self.received.append(pair))
        self.socket = socket.socket()

    def accept(self, *, connack: bytes = CONNACK) -> None:
        """Let the session connect and subscribe."""
        self.let_connect()
        subscribe = self.greet(connack)
        assert subscribe[0] == 0x82
        assert b"/tds_new/#" in subscribe
        self.say(SUBACK[:2] + subscribe[2:4] + SUBACK[4:])
        assert self.session.is_ready

    def let_connect(self) -> bytes:
        """Let the session connect; its CONNECT packet, which is not answered."""
        self.socket.close()
        if self.session.is_open:
            self.session.wait(5)
            self.let_read()
        if self._tls is None:
            self.session.connect()
            self.socket, _ = self._listener.accept()
        else:  # a handshake takes both ends at once
            with ThreadPoolExecutor(1) as pool:
                accepted = pool.submit(self._accept_tls, self._tls)
                self.session.connect()
                self.socket = accepted.result()
        self.socket.settimeout(5)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.session.write()
        return self.read_packet()

    def _accept_tls(self, context: ssl.SSLContext) -> socket.socket:
        accepted, _ = self._listener.accept()
        return context.wrap_socket(accepted, server_side=True)

    def greet(self, connack: bytes = CONNACK) -> bytes:
        """Answer CONNECT; what the session says next."""
        self.say(connack)
        self.session.write()
        return self.read_packet()

    def read_packet(self) -> bytes:
        """A short packet from the session; nothing when that has closed the connection."""
        head = self._receive(2)
        return head + (self._receive(head[1]) if head[1:] else b"")

    def _receive(self, count: int) -> bytes:
        data = b""
        while len(data) < count and (more := self.socket.recv(count - len(data))):
            data += more
        return data

    def say(self, data: bytes) -> None:
        """Send, and let the session read all of it."""
        self.socket.sendall(data)
        if data and self.session.is_open:
            assert self.session.wait(5)[0], "nothing has come"
        self.let_read()

    def feed(self, data: bytes) -> None:
        """Send what is larger than the buffers of a socket, and let the session read all of it."""
        self.socket.setblocking(False)
        while data and self.session.is_open:
            with suppress(BlockingIOError, ssl.SSLWantReadError, ssl.SSLWantWriteError):
                data = data[self.socket.send(data) :]
            self.let_read()
        self.socket.settimeout(5)
        self.let_read()

    def let_read(self) -> None:
        while self.session.is_open and self.session.wait(0.002)[0]:
            self.session.read()

    def close(self) -> None:
        self.session.abandon()
        self.socket.close()
        self._listener.close()

    @property
    def payloads(self) -> list[bytes]:
        return [message.payload for message, _ in self.received]
