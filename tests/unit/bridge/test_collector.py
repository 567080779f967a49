"""When a batch is flushed, and which acknowledgements it carries."""

import pytest

from ingest_bridge.collector import Collector, FlushPolicy
from telemetry.core.batch import RawMessage

POLICY = FlushPolicy(messages=3, payload_bytes=1000, linger_s=0.008)


def message(size: int = 10) -> RawMessage:
    return RawMessage("t", b"x" * size)


@pytest.fixture
def collector() -> Collector:
    return Collector(POLICY)


def test_it_has_nothing_to_flush_when_it_is_empty(collector: Collector) -> None:
    assert collector.wait_s(now_s=1.0) is None


def test_it_flushes_at_once_when_the_system_was_quiet(collector: Collector) -> None:
    collector.add(message(), packet_id=1, now_s=1.0)
    assert collector.wait_s(now_s=1.0) == 0.0


def test_it_lingers_when_messages_keep_coming(collector: Collector) -> None:
    collector.add(message(), packet_id=1, now_s=1.0)
    collector.flush(now_s=1.0)
    collector.add(message(), packet_id=2, now_s=1.002)
    assert collector.wait_s(now_s=1.002) == pytest.approx(0.008)
    assert collector.wait_s(now_s=1.010) == pytest.approx(0.0)


def test_it_flushes_at_once_when_it_has_enough_messages(collector: Collector) -> None:
    collector.add(message(), packet_id=1, now_s=1.0)
    collector.flush(now_s=1.0)
    for packet_id in (2, 3, 4):
        collector.add(message(), packet_id=packet_id, now_s=1.001)
    assert collector.is_full()
    assert collector.wait_s(now_s=1.001) == 0.0


def test_it_flushes_at_once_when_it_has_enough_bytes(collector: Collector) -> None:
    collector.add(message(), packet_id=1, now_s=1.0)
    collector.flush(now_s=1.0)
    collector.add(message(2000), packet_id=2, now_s=1.001)
    assert collector.wait_s(now_s=1.001) == 0.0


@pytest.mark.parametrize(("size", "is_full"), [(999, False), (1000, True)])
def test_it_is_full_at_its_limit_of_bytes_and_not_before(
    collector: Collector, size: int, is_full: bool
) -> None:
    collector.add(message(400), packet_id=1, now_s=1.0)
    collector.add(message(size - 400), packet_id=2, now_s=1.0)
    assert collector.is_full() == is_full


def test_it_keeps_the_order_and_leaves_qos_0_unacknowledged(collector: Collector) -> None:
    first, second, third = message(1), message(2), message(3)
    collector.add(first, packet_id=7, now_s=1.0)
    collector.add(second, packet_id=0, now_s=1.0)
    collector.add(third, packet_id=5, now_s=1.0)
    taken = collector.flush(now_s=1.0)
    assert taken.messages == [first, second, third]
    assert taken.packet_ids == [7, 5]
    assert len(collector) == 0
    assert collector.payload_bytes == 0


def test_it_lets_go_of_what_was_not_flushed_when_the_connection_changes(
    collector: Collector,
) -> None:
    collector.add(message(), packet_id=1, now_s=1.0)
    old = collector.generation
    assert collector.start_generation() == 1
    assert len(collector) == 0
    assert collector.generation != old


def test_it_lingers_as_long_as_the_last_batch_took_to_be_stored() -> None:
    policy = FlushPolicy(messages=3, payload_bytes=1000, linger_s=0.008, late_linger_s=0.25)
    for storing_s, linger_s in ((0.0, 0.008), (0.007, 0.008), (0.06, 0.06), (2.0, 0.25)):
        collector = Collector(policy)
        collector.add(message(), packet_id=1, now_s=1.0)
        collector.flush(now_s=1.0)
        collector.storing_s = storing_s
        collector.add(message(), packet_id=2, now_s=1.001)
        assert collector.wait_s(now_s=1.001) == pytest.approx(linger_s)
        collector.add(message(), packet_id=3, now_s=1.002)
        collector.add(message(), packet_id=4, now_s=1.002)
        assert collector.wait_s(now_s=1.002) == 0.0
        collector.flush(now_s=1.002)
        collector.add(message(), packet_id=5, now_s=9.0)
        assert collector.wait_s(now_s=9.0) == 0.0
