"""What the bridge reads and acknowledges: stock paho and bulk reading behave alike."""

from hypothesis import given
from hypothesis import strategies as st

from ingest_bridge.session import DROPPED_TOPIC
from telemetry.core.batch import RawMessage
from tests.random_cases import random_cases
from tests.unit.bridge.broker import PROPERTIES, TOPIC, Broker, publish


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
    broker.feed(publish(large, packet_id=1) + publish(b"after", packet_id=2))
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
    broker.say(publish(b"3", qos=0, topic="$SYS/tds/denied_publish/gateway"))
    assert broker.session.broker_dropped == 12
    assert broker.session.broker_denials == {"denied_publish/gateway": 3}
    assert broker.received == []


MESSAGES = st.lists(
    st.tuples(
        st.binary(max_size=300) | st.binary(min_size=100, max_size=300),
        st.integers(0, 1),
        st.integers(1, 65_535),
    ),
    max_size=12,
)


@random_cases(30, shrinks=True)
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
