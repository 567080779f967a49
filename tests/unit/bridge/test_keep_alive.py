"""Pings, and brokers that do not answer: stock paho and bulk reading behave alike."""

from types import SimpleNamespace

import pytest

from tests.unit.bridge.broker import Broker, publish

KEEPALIVE_S = 30


class Clock:
    """Stands still."""

    def __init__(self) -> None:
        self.now_s = 1_000.0

    def __call__(self) -> float:
        return self.now_s


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr("paho.mqtt.client.time_func", clock)
    monkeypatch.setattr("ingest_bridge.bulk.time", SimpleNamespace(monotonic=clock))
    return clock


def test_it_pings_when_nothing_was_sent_for_a_while(broker: Broker, clock: Clock) -> None:
    broker.accept()
    clock.now_s += KEEPALIVE_S - 1
    broker.session.keep_alive()
    assert broker.session.wait(0.0) == (False, False)
    clock.now_s += 1
    broker.session.keep_alive()
    assert broker.session.wait(0.0) == (False, True)
    broker.session.write()
    assert broker.session.wait(0.0) == (False, False)
    assert broker.read_packet() == bytes.fromhex("c0 00")


def test_it_gives_up_a_broker_that_answers_no_ping(broker: Broker, clock: Clock) -> None:
    broker.accept()
    for _ in range(2):
        assert broker.session.is_open
        clock.now_s += KEEPALIVE_S
        broker.session.keep_alive()
    assert not broker.session.is_open
    assert not broker.session.is_ready


def test_it_keeps_a_broker_that_sends_messages_and_no_answer_to_a_ping(
    broker: Broker, clock: Clock
) -> None:
    broker.accept()
    for number in range(4):
        clock.now_s += KEEPALIVE_S - 1
        broker.say(publish(b"m", packet_id=number + 1))
        clock.now_s += 1
        broker.session.keep_alive()
    assert broker.session.is_open
