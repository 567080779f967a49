"""How a session begins, is refused, and ends: stock paho and bulk reading behave alike."""

import socket
import time

import pytest
from paho.mqtt.client import Client

from config.env import read_options
from config.options import BridgeOptions
from ingest_bridge.bulk import BulkClient
from ingest_bridge.errors import EXIT_SETTING, EXIT_TAKEN_OVER, BridgeError
from ingest_bridge.session import DROPPED_TOPIC, Session
from tests.unit.bridge.broker import (
    CONNACK,
    CONNACK_PRESENT,
    HOST,
    SUBACK,
    Broker,
    publish,
)

KEEPALIVE_S = 30
UNSUBACK = bytes.fromhex("b0 05 0001 00 00 00")
GOODBYE = bytes.fromhex("e0")
SHUTTING_DOWN = bytes.fromhex("e0 02 8b 00")
TAKEN_OVER = bytes.fromhex("e0 02 8e 00")


def answer(packet: bytes, answered: bytes) -> bytes:
    """An acknowledgement with the packet id of what it answers."""
    return packet[:2] + answered[2:4] + packet[4:]


def test_it_connects_with_name_and_password_to_a_session_that_never_ends(broker: Broker) -> None:
    broker.socket.close()
    broker.let_read()
    assert not broker.session.is_ready
    packet = broker.let_connect()
    assert packet[0] == 0x10
    assert packet[2:9] == b"\x00\x04MQTT\x05"
    assert packet[9] == 0xC0, "user and password, and no clean start"
    assert packet[10:12] == KEEPALIVE_S.to_bytes(2, "big")
    assert bytes.fromhex("11 ff ff ff ff") in packet, "the session never expires"
    assert bytes.fromhex("21 3e 80") in packet, "16,000 messages ahead"
    assert packet.endswith(b"\x00\x08bridge-1\x00\x06bridge\x00\x06secret")


def test_it_is_not_ready_before_the_broker_has_answered() -> None:
    environ = {"REDIS_URL": "redis://x", "MQTT_HOST": HOST, "MQTT_BRIDGE_USER": "u"}
    environ |= {"MQTT_BRIDGE_PASSWORD": "p", "BRIDGE_SHARE_GROUP": "g"}
    options = read_options(BridgeOptions, environ)
    session = Session(options, on_message=lambda *_: None)
    state = session.is_ready, session.is_retiring, session.was_present, session.is_open
    assert state == (False, False, False, False)
    assert session.broker_dropped is None
    assert session.wait(0.0) == (False, False)


def test_it_raises_when_nobody_listens(broker: Broker) -> None:
    broker.close()
    with pytest.raises(ConnectionRefusedError):
        broker.session.connect()
    assert not broker.session.is_open


def test_it_subscribes_to_telemetry_with_qos_1_and_is_ready_when_that_is_granted(
    broker: Broker,
) -> None:
    broker.let_connect()
    assert not broker.session.is_ready
    subscribe = broker.greet()
    first, *others = (b"$share/ingest/tds_new/#", DROPPED_TOPIC.encode(), b"$SYS/tds/#")
    figures = b"".join(b"\x00%c%b\x00" % (len(topic), topic) for topic in others)
    assert subscribe.endswith(first + b"\x01" + figures)
    assert not broker.session.is_ready
    broker.say(answer(SUBACK, subscribe))
    assert broker.session.is_ready


def test_it_says_whether_the_broker_has_kept_its_session(broker: Broker) -> None:
    assert not broker.session.was_present
    broker.accept(connack=CONNACK_PRESENT)
    assert broker.session.was_present
    broker.accept(connack=CONNACK)
    assert not broker.session.was_present


def test_it_leaves_the_former_subscription_after_it_has_the_new_one_when_its_session_is_there(
    broker: Broker,
) -> None:
    broker.accept(connack=CONNACK_PRESENT)  # it subscribes first
    unsubscribe = broker.read_packet()
    assert unsubscribe[0] == 0xA2
    assert unsubscribe.endswith(b"/tds_new/devices/+/telemetry")


def test_it_is_not_ready_by_leaving_the_former_subscription(broker: Broker) -> None:
    broker.let_connect()
    broker.greet(CONNACK_PRESENT)
    broker.say(answer(UNSUBACK, broker.read_packet()))
    assert not broker.session.is_ready


def test_it_is_ready_when_it_has_left_both_subscriptions_to_retire(broker: Broker) -> None:
    broker.session.is_retiring = True
    broker.let_connect()
    unsubscribe = broker.greet(CONNACK_PRESENT)
    assert unsubscribe[0] == 0xA2
    assert b"/tds_new/#" in unsubscribe
    assert b"/tds_new/devices/+/telemetry" in unsubscribe
    assert not broker.session.is_ready
    broker.say(answer(UNSUBACK, unsubscribe))
    assert broker.session.is_ready


@pytest.mark.parametrize("code", ["86", "87"], ids=["bad password", "not authorized"])
def test_it_ends_when_the_broker_refuses_its_credentials(broker: Broker, code: str) -> None:
    broker.let_connect()
    with pytest.raises(BridgeError) as raised:
        broker.say(bytes.fromhex(f"20 03 00 {code} 00"))
    assert f"MQTT_BRIDGE_USER='bridge': the broker at {HOST}:{broker.port}" in str(raised.value)
    assert "check MQTT_BRIDGE_USER and MQTT_BRIDGE_PASSWORD" in str(raised.value)
    assert raised.value.exit_code == EXIT_SETTING
    assert not broker.session.is_ready
    with pytest.raises(BridgeError):
        broker.session.keep_alive()


def test_it_ends_when_the_broker_refuses_its_client_id(broker: Broker) -> None:
    broker.let_connect()
    with pytest.raises(BridgeError, match=r"BRIDGE_CLIENT_ID='bridge-1': .*begin with"):
        broker.say(bytes.fromhex("20 03 00 85 00"))


def test_it_does_not_end_when_the_broker_is_busy(broker: Broker) -> None:
    broker.let_connect()
    broker.say(bytes.fromhex("20 03 00 89 00"))
    assert not broker.session.is_ready
    assert not broker.session.is_open
    broker.session.keep_alive()
    broker.accept()


def test_it_ends_when_the_broker_refuses_the_subscription(broker: Broker) -> None:
    broker.let_connect()
    subscribe = broker.greet()
    with pytest.raises(BridgeError, match=r"refused the subscription '\$share/ingest/tds_new/#'"):
        broker.say(answer(SUBACK[:5] + b"\x87\x00", subscribe))
    assert not broker.session.is_ready


def test_it_serves_without_the_brokers_counter_when_only_that_is_refused(broker: Broker) -> None:
    broker.let_connect()
    broker.say(answer(SUBACK[:5] + b"\x01\x87", broker.greet()))
    assert broker.session.is_ready


def test_it_ends_when_another_client_takes_its_id(broker: Broker) -> None:
    with pytest.raises(BridgeError, match="BRIDGE_CLIENT_ID='bridge-1': another client") as raised:
        broker.say(TAKEN_OVER)
    assert raised.value.exit_code == EXIT_TAKEN_OVER
    assert not broker.session.is_ready
    assert not broker.session.is_open


def test_it_takes_nothing_that_comes_after_the_broker_said_goodbye(broker: Broker) -> None:
    broker.say(publish(b"before") + SHUTTING_DOWN + publish(b"after", packet_id=2))
    assert broker.payloads == [b"before"]
    assert not broker.session.is_ready
    assert not broker.session.is_open
    broker.session.keep_alive()


def test_it_reads_nothing_when_it_is_closed_or_nothing_has_come(broker: Broker) -> None:
    broker.session.read()
    assert broker.session.is_open
    broker.say(SHUTTING_DOWN)
    broker.session.read()
    assert broker.payloads == []


def test_it_notices_a_connection_that_is_reset(broker: Broker) -> None:
    linger_off = b"\x01\x00\x00\x00\x00\x00\x00\x00"
    broker.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger_off)
    broker.socket.close()
    broker.session.wait(5)
    broker.let_read()
    assert not broker.session.is_open
    assert not broker.session.is_ready


def test_it_waits_for_what_comes_and_not_longer(broker: Broker) -> None:
    began_s = time.monotonic()
    assert broker.session.wait(-60.0) == (False, False)
    assert time.monotonic() - began_s < 30
    broker.socket.sendall(publish(b"m"))
    assert broker.session.wait(5) == (True, False)


def test_it_acknowledges_only_when_told_to(broker: Broker) -> None:
    broker.say(publish(b"m", packet_id=5) + publish(b"n", packet_id=6))
    broker.session.acknowledge([])
    broker.session.acknowledge([6])
    broker.session.close(for_good=False)
    assert broker.read_packet() == bytes.fromhex("40 02 0006")
    assert broker.read_packet()[:1] == GOODBYE


@pytest.mark.parametrize("for_good", [True, False], ids=["for good", "for now"])
def test_it_ends_its_session_at_the_broker_only_when_it_leaves_for_good(
    broker: Broker, for_good: bool
) -> None:
    broker.session.close(for_good=for_good)
    goodbye = broker.read_packet()
    assert goodbye[:1] == GOODBYE
    assert (bytes.fromhex("11 00 00 00 00") in goodbye) == for_good
    assert b"\x11" in goodbye or not for_good


def test_it_drops_a_connection_without_a_word(broker: Broker) -> None:
    broker.session.abandon()
    assert not broker.session.is_open
    assert not broker.session.is_ready
    assert broker.read_packet() == b""
    broker.session.abandon()  # again, and nothing happens


@pytest.mark.parametrize(
    ("is_wanted", "is_known", "kind"),
    [(True, True, BulkClient), (True, False, Client), (False, True, Client)],
    ids=["wanted", "wanted with another paho", "not wanted"],
)
def test_it_reads_in_bulk_when_that_is_wanted_and_paho_is_the_known_one(
    monkeypatch: pytest.MonkeyPatch, is_wanted: bool, is_known: bool, kind: type[Client]
) -> None:
    monkeypatch.setattr("ingest_bridge.session.supports_bulk", lambda: is_known)
    broker = Broker(bulk=is_wanted)
    assert type(broker.session._client) is kind
    broker.accept()
    broker.say(publish(b"m"))
    assert broker.payloads == [b"m"]
    broker.close()


@pytest.mark.parametrize("payload", [b"m", b"m" * 200], ids=["short", "of usual size"])
def test_it_takes_a_message_with_a_topic_that_is_no_text(broker: Broker, payload: bytes) -> None:
    broker.say(publish(payload, topic="t/x").replace(b"t/x", b"t/\xff"))
    [(message, packet_id)] = broker.received
    assert (message.payload, packet_id) == (payload, 1)
    assert message.topic in ("t/\ufffd", "(topic is not UTF-8)")
