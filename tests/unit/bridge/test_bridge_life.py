"""How a bridge begins, and how it leaves: stopped, retired, or thrown out."""

import json
import random
from pathlib import Path

import pytest

from ingest_bridge.bridge import QUIET_S
from ingest_bridge.errors import BridgeError
from telemetry.queue.levels import Levels
from tests.unit.bridge.rig import Act, Rig, ScriptedSession, bring, close, subscribe


def stop(rig: Rig) -> Act:
    return lambda _: rig.bridge.stop()


def test_it_serves_until_it_is_stopped_and_gives_its_lease_back(rig: Rig) -> None:
    rig.session.script = [subscribe, bring(1), bring(2), stop(rig), bring(3)]
    rig.bridge.run()
    assert rig.session.acknowledged == [(1, [1]), (1, [2])]
    assert rig.session.closed == [False]
    assert rig.queue.redis.released == [""]
    assert rig.queue.redis.told[0]["state"] == "starting"


def test_it_sends_and_acknowledges_what_lingers_before_it_leaves(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    rig = Rig(monkeypatch, BRIDGE_LINGER_MS="1000")
    rig.session.script = [subscribe, bring(1), (bring(2), bring(3), stop(rig))]
    rig.bridge.run()
    assert rig.queue.counts == [1, 2]
    assert rig.session.acknowledged == [(1, [1]), (1, [2, 3])]
    assert rig.clock.slept == []


def test_it_sends_what_it_has_before_it_leaves_although_it_is_paused(rig: Rig) -> None:
    def fill(_: ScriptedSession) -> None:
        rig.levels = Levels(0, 95)
        rig.clock.advance(1)

    rig.session.script = [subscribe, fill, bring(1), stop(rig)]
    rig.bridge.run()
    assert rig.session.acknowledged == [(1, [1])]


def test_it_waits_for_redis_before_it_leaves_and_sends_what_is_behind_it(rig: Rig) -> None:
    def return_after(_: ScriptedSession) -> None:
        rig.bridge.stop()
        back_at = rig.clock.now_s + 5
        sleep = rig.clock.sleep

        def sleep_until_back(delay_s: float) -> None:
            sleep(delay_s)
            rig.queue.is_away = rig.clock.now_s < back_at

        rig.clock.sleep = sleep_until_back  # type: ignore[method-assign]

    rig.queue.is_away = True
    rig.session.script = [subscribe, bring(1), bring(2), return_after]
    rig.bridge.run()
    assert rig.session.acknowledged == [(1, [1]), (1, [2])]
    assert set(rig.clock.slept) == {0.05}
    assert rig.session.closed == [False]


def test_it_leaves_what_it_cannot_send_within_ten_seconds(rig: Rig) -> None:
    rig.queue.is_away = True
    rig.session.script = [subscribe, bring(1), bring(2), stop(rig)]
    began_s = rig.clock.now_s
    rig.bridge.run()
    assert 10 <= rig.clock.now_s - began_s < 11
    assert rig.session.acknowledged == []
    assert rig.session.closed == [False]
    assert rig.queue.redis.released == [""]


def test_it_leaves_a_broker_that_is_away_without_a_word(rig: Rig) -> None:
    def close_and_stop(session: ScriptedSession) -> None:
        close(session)
        rig.bridge.stop()

    rig.session.script = [subscribe, bring(1)]
    rig.session.on_acknowledge = close_and_stop
    rig.bridge.run()
    assert rig.session.closed == []
    assert rig.queue.redis.released == [""]


def test_it_ends_its_session_for_good_when_that_is_drained(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    rig = Rig(monkeypatch, retire=True)
    came_at: list[float] = []
    rig.session.script = [
        subscribe,
        bring(1),
        lambda _: rig.clock.advance(QUIET_S - 0.5),
        bring(2),
        lambda _: came_at.append(rig.clock.now_s),
    ]
    rig.bridge.run()
    assert rig.session.acknowledged == [(1, [1]), (1, [2])]
    assert rig.session.closed == [True]
    assert rig.queue.redis.released == ["retired"]
    assert QUIET_S < rig.clock.now_s - came_at[0] < QUIET_S + 1
    assert rig.queue.redis.told[-1]["state"] == "retiring"


def test_it_retires_when_no_message_ever_comes(monkeypatch: pytest.MonkeyPatch) -> None:
    rig = Rig(monkeypatch, retire=True)
    began_s = rig.clock.now_s
    rig.session.script = [subscribe]
    rig.bridge.run()
    assert rig.session.closed == [True]
    assert rig.clock.now_s - began_s > QUIET_S


def test_it_does_not_end_a_session_that_it_has_not_drained(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    rig = Rig(monkeypatch, retire=True)
    rig.queue.is_away = True
    rig.session.script = [
        subscribe,
        bring(1),
        *[lambda _: rig.clock.advance(QUIET_S)] * 3,
        stop(rig),
    ]
    rig.bridge.run()
    assert rig.session.closed == [False]
    assert rig.queue.redis.released == [""]


def test_it_does_not_retire_before_the_broker_has_answered(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    rig = Rig(monkeypatch, retire=True)
    rig.session.script = [*[lambda _: rig.clock.advance(QUIET_S)] * 3, subscribe]
    rig.bridge.run()
    assert rig.session.script == [], "it did not leave before"
    assert rig.session.closed == [True]


def test_it_gives_its_lease_back_when_the_broker_throws_it_out(rig: Rig) -> None:
    def throw_out(_: ScriptedSession) -> None:
        raise BridgeError("taken over")

    rig.session.script = [subscribe]
    rig.session.on_keep_alive = throw_out
    with pytest.raises(BridgeError, match="taken over"):
        rig.bridge.run()
    assert rig.queue.redis.released == [""]
    assert rig.session.closed == []


def test_it_leaves_although_its_lease_cannot_be_given_back(rig: Rig) -> None:
    def go(_: ScriptedSession) -> None:
        rig.queue.redis.is_away = True
        rig.bridge.stop()

    rig.session.script = [subscribe, go]
    rig.bridge.run()
    assert rig.session.closed == [False]


def test_it_waits_longer_each_time_for_a_redis_that_is_away_at_the_start(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    path = tmp_path / "health.json"
    rig = Rig(monkeypatch, BRIDGE_HEALTH_FILE=str(path))
    monkeypatch.setattr(random, "random", lambda: 0.0)
    sleep = rig.clock.sleep
    said: list[str] = []

    def sleep_until_back(delay_s: float) -> None:
        sleep(delay_s)
        said.append(json.loads(path.read_text())["state"])
        rig.queue.redis.is_away = len(rig.clock.slept) < 8

    rig.clock.sleep = sleep_until_back  # type: ignore[method-assign]
    rig.queue.redis.is_away = True
    rig.session.script = [subscribe, stop(rig)]
    rig.bridge.run()
    assert rig.clock.slept[:8] == pytest.approx([0.1, 0.2, 0.4, 0.8, 1.6, 3.2, 5, 5])
    assert set(said[:8]) == {"waiting for redis"}
    assert rig.session.closed == [False]


def test_it_ends_when_it_is_stopped_while_redis_is_away_at_the_start(rig: Rig) -> None:
    sleep = rig.clock.sleep

    def sleep_and_stop(delay_s: float) -> None:
        sleep(delay_s)
        rig.bridge.stop()
        rig.queue.redis.is_away = False

    rig.clock.sleep = sleep_and_stop  # type: ignore[method-assign]
    rig.queue.redis.is_away = True
    rig.bridge.run()
    assert len(rig.clock.slept) == 1
    assert rig.session.connected_at == []
    assert rig.queue.redis.released == []
