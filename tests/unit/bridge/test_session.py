"""What the bridge reads and acknowledges: stock paho and bulk reading behave alike."""

import socket
import struct
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import replace

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from config.env import read_options
from config.options import BridgeOptions
from ingest_bridge.bulk import supports_bulk
from ingest_bridge.session import DROPPED_TOPIC, Session
from telemetry.core.batch import RawMessage

HOST = "127.0.0.1"
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


class Broker:
    """The other end of a session: says what a test wants it to say, byte by byte."""

    def __init__(self, *, bulk: bool) -> None:
        self._listener = socket.create_server((HOST, 0))
        self._listener.settimeout(5)
        port = self._listener.getsockname()[1]
        environ = {
            "REDIS_URL": "redis://127.0.0.1:1/0",
            "MQTT_HOST": HOST,
            "MQTT_PORT": str(port),
            "MQTT_BRIDGE_USER": "bridge",
            "MQTT_BRIDGE_PASSWORD": "secret",
        }
        options = replace(read_options(BridgeOptions, environ), bulk_read=bulk)
        self.received: list[tuple[RawMessage, int]] = []
        self.session = Session(options, on_message=lambda *pair: self.received.append(pair))
        self.socket = self.accept()

    def accept(self, *, connack: bytes = CONNACK) -> socket.socket:
        """Let the session connect and subscribe."""
        self.session.connect()
        accepted, _ = self._listener.accept()
        accepted.settimeout(5)
        accepted.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.socket = accepted
        self.session.write()
        assert self.read_packet()[0] == 0x10
        self.say(connack)
        self.session.write()
        subscribe = self.read_packet()
        assert subscribe[0] == 0x82
        assert b"/tds_new/#" in subscribe
        at = 2
        self.say(SUBACK[:2] + subscribe[at : at + 2] + SUBACK[4:])
        assert self.session.is_ready
        return accepted

    def read_packet(self) -> bytes:
        """A short packet from the session."""
        head = self.socket.recv(2)
        return head + (self.socket.recv(head[1]) if head[1] else b"")

    def say(self, data: bytes) -> None:
        """Send, and let the session read all of it."""
        self.socket.sendall(data)
        self.let_read()

    def let_read(self) -> None:
        while self.session.is_open and self.session.wait(0.02)[0]:
            self.session.read()

    def close(self) -> None:
        self.session.abandon()
        self.socket.close()
        self._listener.close()

    @property
    def payloads(self) -> list[bytes]:
        return [message.payload for message, _ in self.received]


@pytest.fixture(params=[False, True], ids=["stock", "bulk"])
def broker(request: pytest.FixtureRequest) -> Iterator[Broker]:
    made = Broker(bulk=request.param)
    yield made
    made.close()


def test_it_knows_the_paho_that_bulk_reading_builds_on() -> None:
    assert supports_bulk()


def test_it_leaves_the_former_subscription_after_it_has_the_new_one_when_its_session_is_there(
    broker: Broker,
) -> None:
    broker.session.abandon()
    broker.socket.close()
    broker.accept(connack=CONNACK_PRESENT)  # it subscribes first
    unsubscribe = broker.read_packet()
    assert unsubscribe[0] == 0xA2
    assert unsubscribe.endswith(b"/tds_new/devices/+/telemetry")


def test_it_delivers_topic_payload_and_packet_id(broker: Broker) -> None:
    broker.say(publish(b"one", packet_id=7) + publish(b"two", qos=0) + publish(b"", packet_id=9))
    assert broker.received == [
        (RawMessage(TOPIC, b"one"), 7),
        (RawMessage(TOPIC, b"two"), 0),
        (RawMessage(TOPIC, b""), 9),
    ]


def test_it_puts_together_packets_that_come_byte_by_byte(broker: Broker) -> None:
    for byte in publish(b"x" * 200, packet_id=3) + publish(b"y", packet_id=4):
        broker.say(bytes([byte]))
    assert broker.payloads == [b"x" * 200, b"y"]


def test_it_takes_packets_larger_than_a_read(broker: Broker) -> None:
    large = bytes(range(256)) * 3_000
    broker.socket.setblocking(False)
    data = publish(large, packet_id=1) + publish(b"after", packet_id=2)
    while data:
        with suppress(BlockingIOError):
            data = data[broker.socket.send(data) :]
        broker.let_read()
    broker.let_read()
    assert broker.payloads == [large, b"after"]


def test_it_skips_properties(broker: Broker) -> None:
    many = PROPERTIES * 30  # their length takes two bytes
    broker.say(publish(b"a", properties=PROPERTIES) + publish(b"b", properties=many, qos=0))
    assert broker.payloads == [b"a", b"b"]


def test_it_takes_qos_2_once_released(broker: Broker) -> None:
    broker.say(publish(b"two", qos=2, packet_id=5) + publish(b"one", packet_id=6))
    broker.session.write()
    assert broker.read_packet()[:4] == bytes.fromhex("50 02 0005")  # PUBREC
    broker.say(bytes.fromhex("62 02 0005"))  # PUBREL
    assert sorted(broker.payloads) == [b"one", b"two"]


def test_it_acknowledges_in_order(broker: Broker) -> None:
    broker.say(b"".join(publish(b"m", packet_id=number) for number in (300, 2, 65_535)))
    broker.session.acknowledge([300, 2, 65_535])
    acks = b"".join(broker.read_packet() for _ in range(3))
    assert acks == bytes.fromhex("40 02 012c 40 02 0002 40 02 ffff")


def test_it_forgets_half_a_packet_of_a_lost_connection(broker: Broker) -> None:
    broker.say(publish(b"whole", packet_id=1) + publish(b"half", packet_id=2)[:-2])
    broker.socket.close()
    broker.let_read()
    assert not broker.session.is_open
    broker.accept()
    broker.say(publish(b"again", packet_id=2))
    assert broker.payloads == [b"whole", b"again"]


def test_it_answers_other_packets_between_messages(broker: Broker) -> None:
    pingresp = bytes.fromhex("d0 00")
    broker.say(publish(b"1") + pingresp + publish(b"2") + pingresp)
    assert broker.payloads == [b"1", b"2"]
    assert broker.session.is_open


def test_it_keeps_the_brokers_counter_apart(broker: Broker) -> None:
    broker.say(publish(b"12", qos=0, topic=DROPPED_TOPIC))
    assert broker.session.broker_dropped == 12
    assert broker.received == []


@pytest.mark.parametrize(
    "data",
    [
        bytes.fromhex("32 ff ff ff ff 01"),
        bytes.fromhex("f0 ff ff ff ff 01"),
        bytes.fromhex("32 03 00 01 61"),
        bytes.fromhex("32 01 00"),
        bytes.fromhex("30 00"),
        bytes.fromhex("32 06 00 01 61 00 01 05"),
        bytes.fromhex("36 05 00 01 61 00 01"),
        bytes.fromhex("32 85 01 7f ff") + bytes(131),
        bytes.fromhex("32 85 01 00 01 61 00 01 ff 01") + bytes(126),
    ],
    ids=[
        "a length of five bytes in a message",
        "a length of five bytes in another packet",
        "no room for the packet id",
        "no room for the topic's length",
        "an empty message packet",
        "properties longer than the packet",
        "a QoS that does not exist",
        "a topic longer than its packet of usual size",
        "properties longer than their packet of usual size",
    ],
)
@pytest.mark.parametrize("bulk", [True], ids=["bulk"])
def test_it_ends_the_connection_when_a_packet_breaks_the_rules(data: bytes, bulk: bool) -> None:
    broker = Broker(bulk=bulk)
    broker.say(publish(b"good") + data)
    assert broker.payloads == [b"good"]
    assert not broker.session.is_open
    broker.close()


MESSAGES = st.lists(
    st.tuples(
        st.binary(max_size=300) | st.binary(min_size=100, max_size=300),
        st.integers(0, 1),
        st.integers(1, 65_535),
    ),
    max_size=12,
)


@settings(
    max_examples=30,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(messages=MESSAGES, cuts=st.lists(st.integers(1, 2_000), max_size=8))
def test_it_reads_the_same_stream_alike_however_it_is_cut(
    broker: Broker, messages: list[tuple[bytes, int, int]], cuts: list[int]
) -> None:
    broker.received.clear()
    stream = b"".join(
        publish(payload, qos=qos, packet_id=number) for payload, qos, number in messages
    )
    for cut in cuts:
        broker.say(stream[:cut])
        stream = stream[cut:]
    broker.say(stream)
    assert broker.received == [
        (RawMessage(TOPIC, payload), number if qos else 0) for payload, qos, number in messages
    ]


def test_it_connects_with_name_and_password_to_a_session_that_never_ends(broker: Broker) -> None:
    broker.socket.close()
    broker.let_read()
    assert not broker.session.is_ready
    broker.session.connect()
    broker.socket, _ = broker._listener.accept()
    broker.socket.settimeout(5)
    broker.session.write()
    packet = broker.read_packet()
    assert packet[0] == 0x10
    assert packet[2:9] == b"\x00\x04MQTT\x05"
    assert packet[9] == 0xC0, "user and password, and no clean start"
    assert bytes.fromhex("11 ff ff ff ff") in packet, "the session never expires"
    assert bytes.fromhex("21 3e 80") in packet, "16,000 messages ahead"
    assert packet.endswith(b"\x00\x06bridge\x00\x06secret")


def test_it_is_not_ready_before_the_broker_has_answered() -> None:
    environ = {"REDIS_URL": "redis://x", "MQTT_HOST": HOST, "MQTT_BRIDGE_USER": "u"}
    options = read_options(BridgeOptions, {**environ, "MQTT_BRIDGE_PASSWORD": "p"})
    session = Session(options, on_message=lambda *_: None)
    state = session.is_ready, session.is_retiring, session.was_present, session.is_open
    assert state == (False, False, False, False)
    assert session.broker_dropped is None
    assert session.wait(0.0) == (False, False)
