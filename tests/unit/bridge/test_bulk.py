"""Packets at every limit, taken out of one buffer."""

from collections.abc import Iterator

import pytest
from paho.mqtt.client import Client
from paho.mqtt.enums import MQTTErrorCode

from ingest_bridge.bulk import BulkClient, supports_bulk
from telemetry.core.batch import RawMessage
from tests.unit.bridge.broker import PROPERTIES, TOPIC, Broker, encode_length, publish

HEADER_BYTES = len(publish(b"")) - 2  # of a message, after the fixed header


@pytest.fixture
def bulk() -> Iterator[Broker]:
    broker = Broker(bulk=True)
    broker.accept()
    yield broker
    broker.close()


@pytest.fixture
def long_way(monkeypatch: pytest.MonkeyPatch) -> list[bytes]:
    """First bytes of the messages that were not taken the short way."""
    firsts: list[bytes] = []
    take = BulkClient._parse_publish

    def note(client: BulkClient, end: int) -> object:
        firsts.append(client._buffer[client._at : client._at + 1])
        return take(client, end)

    monkeypatch.setattr(BulkClient, "_parse_publish", note)
    return firsts


def test_it_knows_the_paho_that_bulk_reading_builds_on() -> None:
    assert supports_bulk()


def test_it_refuses_a_paho_that_lacks_what_bulk_reading_builds_on(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.delattr(Client, "_packet_read")
    assert not supports_bulk()


def test_it_refuses_a_paho_whose_private_parts_are_called_otherwise(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(Client, "_sock_recv", lambda self, most: b"")
    assert not supports_bulk()


@pytest.mark.parametrize(
    "size", [1, 127, 128, 129, 255, 256, 257, 16_383, 16_384, 16_385, 2_097_151, 2_097_152]
)
def test_it_takes_messages_of_every_length_of_length(bulk: Broker, size: int) -> None:
    payload = b"x" * max(0, size - HEADER_BYTES)
    bulk.feed(publish(payload, packet_id=0x1234) + publish(payload, qos=0) + publish(b"end"))
    assert bulk.received == [
        (RawMessage(TOPIC, payload), 0x1234),
        (RawMessage(TOPIC, payload), 0),
        (RawMessage(TOPIC, b"end"), 1),
    ]


def test_it_takes_usual_messages_the_short_way_and_others_the_long_way(
    bulk: Broker, long_way: list[bytes]
) -> None:
    for size in (128, 129, 255, 256, 300, 16_383):
        bulk.say(publish(b"x" * (size - HEADER_BYTES)) * 3)
    bulk.say(publish(b"x" * 200, topic="t" * 300))
    bulk.say(publish(b"", topic="t" * 200))
    assert len(bulk.received) == 20
    assert long_way == []
    for size in (127, 16_384):
        bulk.say(publish(b"x" * (size - HEADER_BYTES)))
    bulk.say(publish(b"x" * 200, qos=0) + publish(b"x" * 200, properties=PROPERTIES))
    assert len(bulk.received) == 24
    assert long_way == [b"\x32", b"\x32", b"\x30", b"\x32"]


@pytest.mark.parametrize("size", [10, 200])
@pytest.mark.parametrize("flags", [0x08, 0x01, 0x09], ids=["again", "retained", "both"])
def test_it_takes_messages_that_come_again_or_were_retained(
    bulk: Broker, flags: int, size: int
) -> None:
    packet = publish(b"x" * size, packet_id=7)
    bulk.say(bytes([packet[0] | flags]) + packet[1:])
    assert bulk.received == [(RawMessage(TOPIC, b"x" * size), 7)]


@pytest.mark.parametrize("qos", [0, 1])
@pytest.mark.parametrize("payload", [b"", b"m"], ids=["nothing", "a payload"])
@pytest.mark.parametrize("count", [1, 12, 13, 15, 30, 1_600], ids=lambda n: f"{n} properties")
def test_it_skips_properties_of_every_length_of_length(
    bulk: Broker, qos: int, payload: bytes, count: int
) -> None:
    bulk.say(publish(payload, properties=PROPERTIES * count, qos=qos, packet_id=300))
    assert bulk.received == [(RawMessage(TOPIC, payload), 300 if qos else 0)]


def test_it_takes_topics_longer_than_a_byte_says(bulk: Broker) -> None:
    for topic in ("t" * 255, "t" * 256, "t" * 70, "t" * 700):
        for payload in (b"", b"x" * 20_000):
            bulk.feed(publish(payload, topic=topic, packet_id=513))
            assert bulk.received.pop() == (RawMessage(topic, payload), 513)


def test_it_answers_as_stock_reading_does(bulk: Broker) -> None:
    client = bulk.session._client
    assert isinstance(client, BulkClient)
    assert client.read_bulk() == MQTTErrorCode.MQTT_ERR_SUCCESS, "nothing has come"
    for data, answer in (
        (publish(b"m") + publish(b"half")[:-1], MQTTErrorCode.MQTT_ERR_SUCCESS),
        (b"f" + make_packet(""), MQTTErrorCode.MQTT_ERR_PROTOCOL),
    ):
        bulk.socket.sendall(data)
        assert bulk.session.wait(5)[0]
        assert client.read_bulk() == answer
    assert client.read_bulk() == MQTTErrorCode.MQTT_ERR_NO_CONN
    bulk.accept()
    bulk.socket.close()
    assert bulk.session.wait(5)[0]
    assert client.read_bulk() == MQTTErrorCode.MQTT_ERR_CONN_LOST


def make_packet(body: str, *, first: int = 0x32, fill: int = 0) -> bytes:
    raw = bytes.fromhex(body) + bytes(fill)
    return bytes([first]) + encode_length(len(raw)) + raw


@pytest.mark.parametrize(
    "data",
    [
        bytes.fromhex("32 ff ff ff ff 01"),
        bytes.fromhex("f0 ff ff ff ff 01"),
        make_packet("00 01 61"),
        make_packet("00"),
        make_packet("", first=0x30),
        make_packet("00 01 61", first=0x30),
        make_packet("00 01 61 00 01"),
        make_packet("00 7e", fill=128),
        make_packet("00 01 61 00 01 05"),
        make_packet("00 01 61 00 01 01"),
        make_packet("00 01 61 00 01 80"),
        make_packet("00 01 61 00 01 80 80 80 80 00", fill=20),
        make_packet("00 01 61 00 01", first=0x36),
        bytes.fromhex("32 85 01 7f ff") + bytes(131),
        bytes.fromhex("32 85 01 00 01 61 00 01 ff 01") + bytes(126),
    ],
    ids=[
        "a length of five bytes in a message",
        "a length of five bytes in another packet",
        "no room for the packet id",
        "no room for the topic's length",
        "an empty message packet",
        "no room for the length of the properties in a message of QoS 0",
        "no room for the length of the properties in a message of QoS 1",
        "no room for the length of the properties in a message of usual size",
        "properties longer than the packet",
        "properties longer than the packet by one byte",
        "a length of the properties that ends outside the packet",
        "a length of the properties of five bytes",
        "a QoS that does not exist",
        "a topic longer than its packet of usual size",
        "properties longer than their packet of usual size",
    ],
)
@pytest.mark.parametrize("after", [b"", bytes(4)], ids=["at the end", "with more behind it"])
def test_it_ends_the_connection_when_a_packet_breaks_the_rules(
    bulk: Broker, data: bytes, after: bytes
) -> None:
    bulk.say(publish(b"good") + data + after)
    assert bulk.payloads == [b"good"]
    assert not bulk.session.is_open
