"""What a bridge says of itself, and what it leaves to the broker when it cannot hold more."""

import json
from pathlib import Path
from typing import Any

import pytest

from ingest_bridge import bridge as bridge_module
from ingest_bridge.errors import BridgeError
from telemetry.queue.levels import Levels
from tests.unit.bridge.rig import FULL, Rig, bring, close, next_state, subscribe


@pytest.mark.parametrize(("size", "is_dropped"), [(999, False), (1_000, True)])
def test_it_leaves_to_the_broker_what_it_cannot_hold(
    rig: Rig, monkeypatch: pytest.MonkeyPatch, size: int, is_dropped: bool
) -> None:
    monkeypatch.setattr(bridge_module, "HELD_BYTES", 1_000)
    rig.queue.is_away = True
    rig.play(subscribe, bring(1), (bring(2, payload=b"x" * size),))
    assert rig.session.abandoned == int(is_dropped)
    assert rig.bridge._waiting_messages() == (1 if is_dropped else 2)


def overflow(rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bridge_module, "HELD_BYTES", 1_000)
    rig.play(bring(2, payload=b"x" * 2_000))
    assert not rig.session.is_open


def test_it_stays_away_from_the_broker_after_it_overflowed_until_redis_is_back(
    rig: Rig, monkeypatch: pytest.MonkeyPatch
) -> None:
    rig.queue.is_away = True
    rig.play(subscribe, bring(1))
    overflow(rig, monkeypatch)
    for _ in range(200):
        rig.bridge.step()
    assert len(rig.session.connected_at) == 1
    rig.queue.is_away = False
    rig.run_until(lambda: len(rig.session.connected_at) == 2, within_s=5)
    assert rig.queue.counts == [1]
    rig.queue.is_away = True
    rig.play(subscribe, bring(2), close)
    rig.run_until(lambda: len(rig.session.connected_at) == 3, within_s=1)  # nothing overflowed now


def test_it_stays_away_from_the_broker_after_it_overflowed_while_it_is_paused(
    rig: Rig, monkeypatch: pytest.MonkeyPatch
) -> None:
    rig.play(subscribe)
    rig.levels = FULL
    next_state(rig)
    overflow(rig, monkeypatch)
    for _ in range(200):
        rig.bridge.step()
    assert len(rig.session.connected_at) == 1
    rig.levels = Levels(0, 0)
    rig.run_until(lambda: len(rig.session.connected_at) == 2, within_s=1)


def test_it_says_what_it_does(rig: Rig) -> None:
    assert next_state(rig) == "connecting"
    rig.play(subscribe)
    assert next_state(rig) == "ready"
    rig.queue.is_away = True
    rig.play(bring(1))
    assert next_state(rig) == "waiting for redis"
    rig.queue.is_away = False
    rig.bridge.step()
    rig.clock.advance(5)
    rig.bridge.step()
    assert next_state(rig) == "ready"
    rig.session.is_retiring = True
    assert next_state(rig) == "retiring"


def test_it_tells_its_fields(rig: Rig) -> None:
    rig.play(subscribe)
    rig.clock.advance(30)
    rig.play(bring(1, 2))
    progress_at = rig.clock.now_s
    rig.queue.is_away = True
    rig.play(bring(3), bring(4, 5))
    next_state(rig)
    told: dict[str, Any] = rig.queue.redis.told[-1]
    assert told["progress_at"] == progress_at
    assert told["waiting_messages"] == 3
    assert (told["sent_messages"], told["sent_batches"]) == (2, 1)


def test_it_writes_its_state_and_figures_to_the_health_file(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    path = tmp_path / "health.json"
    rig = Rig(monkeypatch, BRIDGE_HEALTH_FILE=str(path))
    began_at = rig.clock.now_s
    rig.play(subscribe)
    next_state(rig)
    written = json.loads(path.read_text())
    assert (written["state"], written["progress_at"]) == ("ready", began_at)
    assert written["at"] == rig.clock.now_s


def test_it_goes_on_when_its_lease_cannot_be_renewed(rig: Rig) -> None:
    rig.queue.redis.is_away = True
    rig.session.broker_dropped = 4
    rig.play(subscribe, bring(1))
    assert rig.session.acknowledged == [(1, [1])]
    rig.queue.redis.is_away = False
    next_state(rig)
    assert rig.queue.dropped == [4]


def test_it_passes_on_what_the_broker_dropped_once(rig: Rig) -> None:
    rig.session.broker_dropped = 0
    rig.play(subscribe)
    rig.session.broker_dropped = 7
    rig.bridge.step()
    rig.bridge.step()
    assert rig.queue.dropped == [0, 7]


def test_it_passes_on_once_what_the_broker_refused(rig: Rig) -> None:
    rig.session.broker_denials = {"denied_publish/gateway": 3, "removed_expiry/gateway": 2}
    rig.play(subscribe)
    rig.bridge.step()
    assert rig.queue.denied == [("denied_publish/gateway", 3), ("removed_expiry/gateway", 2)]


@pytest.mark.parametrize("is_kept", [True, False])
def test_it_passes_on_whether_the_broker_kept_its_session_when_redis_is_back(
    rig: Rig, is_kept: bool
) -> None:
    rig.queue.redis.is_away = True
    rig.session.is_new, rig.session.was_present = True, is_kept
    rig.play(subscribe)
    assert rig.queue.sessions == []
    rig.queue.redis.is_away = False
    next_state(rig)
    next_state(rig)
    assert rig.queue.sessions == [is_kept]


def test_it_ends_when_another_bridge_took_its_id(rig: Rig) -> None:
    rig.queue.redis.is_taken = True
    with pytest.raises(BridgeError, match="another bridge took this id"):
        rig.bridge.step()


STATUS = "tds_new/devices/aa:bb:cc:dd:ee:ff/status"


@pytest.fixture
def told(monkeypatch: pytest.MonkeyPatch) -> list[dict[str, bool]]:
    found: list[dict[str, bool]] = []
    monkeypatch.setattr(
        "ingest_bridge.presence.note_statuses", lambda _, statuses, **__: found.append(statuses)
    )
    return found


def test_it_passes_a_status_on_apart_from_telemetry(rig: Rig, told: list[dict[str, bool]]) -> None:
    rig.play(subscribe, bring(1, payload=b"offline", topic=STATUS), bring(2), steps=4)
    assert told == [{"aa:bb:cc:dd:ee:ff": False}]
    assert rig.queue.counts == [1]
    assert rig.session.acknowledged == [(1, [1]), (1, [2])]


def test_it_acknowledges_a_status_after_the_messages_before_it(
    rig: Rig, told: list[dict[str, bool]]
) -> None:
    rig.queue.is_away = True
    rig.play(subscribe, bring(1), bring(2, payload=b"online", topic=STATUS), steps=5)
    assert told == [{"aa:bb:cc:dd:ee:ff": True}]
    assert rig.session.acknowledged == []
    rig.queue.is_away = False
    rig.run_until(lambda: len(rig.session.acknowledged) == 2, within_s=5)
    assert [packet_ids for _, packet_ids in rig.session.acknowledged] == [[1], [2]]


@pytest.mark.parametrize(
    ("topic", "payload"),
    [(STATUS, b"on"), (STATUS.replace("aa:", ""), b"online"), (f"x/{STATUS}", b"online")],
    ids=["another word", "no MAC", "another prefix"],
)
def test_it_takes_what_is_no_status_as_any_message(
    rig: Rig, told: list[dict[str, bool]], topic: str, payload: bytes
) -> None:
    rig.play(subscribe, bring(1, payload=payload, topic=topic), steps=3)
    assert told == []
    assert rig.queue.counts == [1]
