"""What becomes of messages and acknowledgements when connections end."""

from collections.abc import Callable
from functools import partial
from itertools import pairwise

from ingest_bridge.bridge import CONNECT_TIMEOUT_S
from tests.unit.bridge.rig import Rig, bring, close, subscribe


def is_subscribed_again(rig: Rig) -> Callable[[], bool]:
    return lambda: has_connected(rig, 2)


def has_connected(rig: Rig, times: int) -> bool:
    return len(rig.session.connected_at) == times


def test_it_acknowledges_on_the_connection_that_brought_the_messages(rig: Rig) -> None:
    rig.play(subscribe, bring(1, 2))
    assert rig.session.acknowledged == [(1, [1, 2])]


def test_it_acknowledges_nothing_of_a_connection_that_closed_before_it_was_subscribed(
    rig: Rig,
) -> None:
    rig.queue.is_away = True
    rig.play(bring(1, 2), close)  # between CONNACK and SUBACK: a session that was present sends
    rig.run_until(is_subscribed_again(rig), within_s=CONNECT_TIMEOUT_S + 2)
    rig.queue.is_away = False
    rig.play(subscribe)
    rig.run_until(lambda: rig.queue.written, within_s=5)
    rig.play(bring(7))
    rig.run_until(lambda: rig.session.acknowledged, within_s=5)
    assert rig.session.acknowledged == [(2, [7])]


def test_it_forgets_what_was_collected_on_a_connection_that_closed_before_it_was_subscribed(
    rig: Rig,
) -> None:
    rig.queue.is_away = True
    rig.play(bring(1), bring(2), close)  # the first is on its way to Redis, the second is not
    rig.run_until(is_subscribed_again(rig), within_s=CONNECT_TIMEOUT_S + 2)
    rig.play(subscribe)
    rig.queue.is_away = False
    rig.run_until(lambda: rig.queue.written, within_s=5)
    rig.play(bring(2))
    rig.run_until(lambda: rig.session.acknowledged, within_s=5)
    assert rig.session.acknowledged == [(2, [2])]
    assert len(rig.queue.written) == 2


def test_it_connects_soon_when_a_connection_closed_before_it_was_subscribed(rig: Rig) -> None:
    rig.play(close)
    rig.run_until(is_subscribed_again(rig), within_s=CONNECT_TIMEOUT_S / 2)
    first, second = rig.session.connected_at
    assert second - first < 0.5


def test_it_waits_longer_each_time_that_a_connection_closes_before_it_is_subscribed(
    rig: Rig,
) -> None:
    for count in range(1, 12):
        rig.session.script.append(close)
        rig.run_until(partial(has_connected, rig, count), within_s=6)
    gaps = [after - before for before, after in pairwise(rig.session.connected_at)]
    assert max(gaps[:2]) < 0.5
    assert 2.5 <= min(gaps[-3:]) <= max(gaps[-3:]) <= 5.5


def test_it_gives_up_a_broker_that_is_silent_and_connects_again(rig: Rig) -> None:
    rig.run_until(is_subscribed_again(rig), within_s=CONNECT_TIMEOUT_S + 1)
    first, second = rig.session.connected_at
    assert second - first >= CONNECT_TIMEOUT_S


def test_it_keeps_what_a_new_connection_brings_when_the_old_one_closed_at_an_acknowledgement(
    rig: Rig,
) -> None:
    rig.session.on_acknowledge = close  # noticed while it is written
    rig.play(subscribe, bring(1))
    rig.session.on_acknowledge = lambda _: None
    rig.clock.sleep(10)  # whatever the wait for the next connection is: it is over
    rig.play(bring(2), subscribe, steps=4)
    rig.run_until(lambda: len(rig.session.acknowledged) == 2, within_s=5)
    assert rig.session.acknowledged == [(1, [1]), (2, [2])]
