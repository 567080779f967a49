"""What a bridge reads, waits for and sends while it goes round."""

import random
from itertools import pairwise
from typing import Any

import pytest

from ingest_bridge import bridge as bridge_module
from ingest_bridge.bridge import CONNECT_TIMEOUT_S, LONGEST_WAIT_S, REST_S
from ingest_bridge.collector import FlushPolicy
from telemetry.queue.levels import Levels
from tests.unit.bridge.rig import (
    FULL,
    Rig,
    ScriptedSession,
    bring,
    close,
    next_state,
    states,
    subscribe,
)


def make_lingering(monkeypatch: pytest.MonkeyPatch, **environ: str) -> Rig:
    """A bridge that has sent a batch just now, so that the next message lingers."""
    rig = Rig(monkeypatch, retire=False, **{"BRIDGE_LINGER_MS": "500", **environ})
    rig.play(subscribe, bring(1))
    assert len(rig.queue.written) == 1
    rig.clock.slept.clear()
    rig.session.timeouts.clear()
    return rig


def test_it_fills_batches_as_the_settings_say(monkeypatch: pytest.MonkeyPatch) -> None:
    rig = Rig(
        monkeypatch,
        BRIDGE_BATCH_MESSAGES="7",
        BRIDGE_BATCH_BYTES="5000",
        BRIDGE_LINGER_MS="20",
        BRIDGE_LATE_LINGER_MS="300",
    )
    assert rig.bridge._collector._policy == FlushPolicy(
        messages=7, payload_bytes=5000, linger_s=0.02, late_linger_s=0.3
    )


def test_it_connects_in_its_first_round(rig: Rig) -> None:
    rig.bridge.step()
    assert rig.session.connected_at == [1_000.0]


def test_it_connects_again_soon_after_a_session_that_served(
    rig: Rig, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(random, "random", lambda: 0.0)
    for _ in range(8):
        rig.play(close)
        rig.clock.advance(6)
    rig.play(subscribe, close)
    count = len(rig.session.connected_at)
    closed_at = rig.clock.now_s
    rig.session.script.append(close)
    rig.run_until(lambda: len(rig.session.connected_at) > count + 1, within_s=1)
    first_at, second_at = rig.session.connected_at[-2:]
    assert 0.1 <= first_at - closed_at < 0.18
    assert 0.1 <= second_at - first_at < 0.18, "the waits of before are forgotten"


def test_it_says_once_that_a_connection_serves_and_once_that_it_ended(
    rig: Rig, monkeypatch: pytest.MonkeyPatch
) -> None:
    lines: list[str] = []

    class Lines:
        def note(self, event: str, **_: Any) -> None:
            lines.append(event)

        info = warning = error = debug = note

    monkeypatch.setattr(bridge_module, "log", Lines())
    rig.play(subscribe, bring(1), steps=4)
    assert lines == ["connected"]
    rig.session.is_frozen = True
    rig.play(close, steps=4)
    assert [line for line in lines if line != "broker_unavailable"] == ["connected", "disconnected"]


def test_it_waits_longer_each_time_that_the_broker_cannot_be_reached(
    rig: Rig, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(random, "random", lambda: 0.0)
    rig.session.is_frozen = True
    rig.run_until(lambda: len(rig.session.connected_at) == 9, within_s=30)
    at = rig.session.connected_at
    gaps = [after - before for before, after in pairwise(at)]
    assert gaps == pytest.approx([0.1, 0.2, 0.4, 0.8, 1.6, 3.2, 5, 5], abs=0.07)
    assert rig.session.abandoned == 0
    assert set(states(rig)) == {"connecting"}


def test_it_does_not_spin_while_it_has_no_connection(rig: Rig) -> None:
    rig.session.is_frozen = True
    for _ in range(20):
        rig.bridge.step()
    assert rig.clock.slept == [0.05] * 20


def test_it_drops_a_connection_on_which_the_broker_is_silent_once(rig: Rig) -> None:
    rig.bridge.step()
    rig.clock.advance(CONNECT_TIMEOUT_S - 1)
    rig.bridge.step()
    assert rig.session.abandoned == 0
    rig.clock.advance(2)
    rig.bridge.step()
    assert rig.session.abandoned == 1


def test_it_keeps_a_connection_that_was_silent_before_it_served(rig: Rig) -> None:
    rig.play(subscribe)
    rig.clock.advance(CONNECT_TIMEOUT_S * 2)
    rig.play(bring(1))
    assert rig.session.abandoned == 0
    assert rig.session.acknowledged == [(1, [1])]


def test_it_writes_only_when_the_socket_takes_it(rig: Rig) -> None:
    rig.play(subscribe)
    assert rig.session.writes == 0
    rig.session.is_writable = True
    rig.bridge.step()
    assert rig.session.writes == 1


def test_it_waits_for_the_socket_when_it_has_nothing_else_to_do(rig: Rig) -> None:
    rig.play(subscribe, steps=2)
    assert rig.session.timeouts[-1] == LONGEST_WAIT_S
    assert rig.clock.slept == []


def test_it_rests_shortly_while_a_batch_lingers_and_sends_it_then(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    rig = make_lingering(monkeypatch)
    rig.clock.advance(0.1)
    rig.play(bring(2), steps=2)
    assert rig.clock.slept == [REST_S]
    assert rig.session.timeouts == pytest.approx([LONGEST_WAIT_S, 0.5])
    rig.run_until(lambda: len(rig.queue.written) == 2, within_s=0.6)


def test_it_rests_no_longer_than_a_batch_lingers(monkeypatch: pytest.MonkeyPatch) -> None:
    rig = make_lingering(monkeypatch, BRIDGE_LINGER_MS="2")
    rig.clock.advance(0.001)
    rig.play(bring(2), steps=2)
    assert rig.clock.slept == pytest.approx([0.002])
    assert len(rig.queue.written) == 2


def test_it_waits_for_the_next_try_when_redis_is_away(monkeypatch: pytest.MonkeyPatch) -> None:
    rig = make_lingering(monkeypatch)
    monkeypatch.setattr("ingest_bridge.sender.random.random", lambda: 0.0)
    rig.clock.advance(1)
    rig.queue.is_away = True
    rig.play(bring(2), bring(3))
    assert rig.session.timeouts[-1] == pytest.approx(0.1), "and not for the batch that lingers"
    assert rig.clock.slept == []
    rig.clock.advance(60)
    rig.bridge.step()
    rig.bridge.step()
    assert rig.session.timeouts[-2] == 0.0, "overdue"
    assert rig.session.timeouts[-1] == pytest.approx(0.2)


def test_it_waits_at_most_half_a_second_for_a_try_that_is_far_off(
    monkeypatch: pytest.MonkeyPatch, rig: Rig
) -> None:
    monkeypatch.setattr("ingest_bridge.sender.random.random", lambda: 0.0)
    rig.queue.is_away = True
    rig.play(subscribe, bring(1))
    for _ in range(6):
        rig.clock.advance(2)
        rig.bridge.step()
    assert rig.session.timeouts[-1] <= LONGEST_WAIT_S
    rig.bridge.step()
    assert rig.session.timeouts[-1] == LONGEST_WAIT_S


def test_it_sends_nothing_and_goes_on_reading_while_it_is_paused(rig: Rig) -> None:
    rig.play(subscribe)
    rig.levels = FULL
    assert next_state(rig) == "paused: Redis is 95% full, the mark is 80%"
    rig.play(bring(1), bring(2))
    assert rig.queue.written == []
    assert rig.session.timeouts[-1] == LONGEST_WAIT_S
    assert rig.clock.slept == []
    rig.levels = Levels(0, 0)
    rig.clock.advance(1)
    rig.bridge.step()
    assert rig.queue.counts == [2]
    assert rig.session.acknowledged == [(1, [1, 2])]


def test_it_fills_larger_batches_when_they_take_longer_to_be_stored(rig: Rig) -> None:
    rig.queue.storing_s = 10
    rig.play(subscribe, bring(1))
    rig.play(lambda _: rig.clock.advance(0.11), bring(2))
    came_s = rig.clock.now_s
    assert len(rig.queue.written) == 1
    rig.run_until(lambda: len(rig.queue.written) == 2, within_s=0.4)
    assert rig.clock.now_s - came_s > 0.2


def test_it_sends_what_it_has_read_when_the_batch_is_full_and_reads_on_then(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    rig = Rig(monkeypatch, BRIDGE_BATCH_MESSAGES="2")
    rig.play(subscribe, (bring(1), bring(2), bring(3)))
    assert rig.queue.counts == [2]
    rig.bridge.step()
    assert rig.queue.counts == [2, 1]
    assert rig.session.acknowledged == [(1, [1, 2]), (1, [3])]


def test_it_reads_all_that_has_come_when_nothing_can_be_sent(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    rig = Rig(monkeypatch, BRIDGE_BATCH_MESSAGES="2")
    rig.queue.is_away = True
    rig.play(subscribe, bring(1), (bring(2), bring(3), bring(4), bring(5)))
    assert rig.bridge._waiting_messages() == 5


def test_it_lets_go_of_what_came_when_the_connection_is_closed_in_the_same_round(rig: Rig) -> None:
    rig.play(subscribe)
    rig.session.on_keep_alive = close
    rig.play(bring(1))
    assert rig.queue.written == []


def test_it_stops_reading_a_connection_that_closes(rig: Rig) -> None:
    def bring_and_close(session: ScriptedSession) -> None:
        bring(1)(session)
        close(session)

    rig.play(subscribe, (bring_and_close, bring(2)))
    assert rig.queue.written == []
