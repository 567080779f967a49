"""What becomes of messages and acknowledgements when connections end."""

from collections.abc import Callable
from itertools import pairwise
from types import SimpleNamespace
from typing import Any

import pytest
from redis import RedisError

from config.env import read_options
from config.options import BridgeOptions
from ingest_bridge import bridge as bridge_module
from ingest_bridge import sender as sender_module
from ingest_bridge.bridge import CONNECT_TIMEOUT_S, Bridge
from telemetry.core.batch import RawMessage
from telemetry.queue.levels import Levels

ENVIRON = {
    "REDIS_URL": "redis://127.0.0.1:1/0",
    "MQTT_HOST": "127.0.0.1",
    "MQTT_BRIDGE_USER": "bridge",
    "MQTT_BRIDGE_PASSWORD": "secret",
    "BRIDGE_LINGER_MS": "0",
}
Act = Callable[["ScriptedSession"], None]


class Clock:
    """Stands still, but for sleeps and waits."""

    def __init__(self) -> None:
        self.now_s = 1_000.0

    def monotonic(self) -> float:
        return self.now_s

    def time(self) -> float:
        return self.now_s

    def time_ns(self) -> int:
        return int(self.now_s * 1e9)

    def sleep(self, delay_s: float) -> None:
        self.now_s += delay_s


class ScriptedSession:
    """A session that does the next act of a script in each step."""

    def __init__(self, clock: Clock, on_message: Callable[[RawMessage, int], None]) -> None:
        self._clock = clock
        self.deliver = on_message
        self.topic, self.was_present, self.broker_dropped = "topic", True, None
        self.is_retiring = self.is_ready = self.is_open = False
        self.script: list[Act] = []
        self._is_due = False
        self.on_acknowledge: Act = lambda _: None
        self.connected_at: list[float] = []
        self.acknowledged: list[tuple[int, list[int]]] = []

    def connect(self) -> None:
        self.connected_at.append(self._clock.now_s)
        self.is_open = True

    def wait(self, timeout_s: float) -> tuple[bool, bool]:
        self._is_due = self.is_open and bool(self.script)
        if self._is_due:
            return True, False
        self._clock.sleep(timeout_s if self.is_open else 0)
        return False, False

    def read(self) -> None:
        if self._is_due:
            self._is_due = False
            self.script.pop(0)(self)

    def keep_alive(self) -> None:
        pass

    def abandon(self) -> None:
        self.is_open = self.is_ready = False

    def acknowledge(self, packet_ids: list[int]) -> None:
        """Which connection of this session was told what."""
        self.acknowledged.append((len(self.connected_at), packet_ids))
        self.on_acknowledge(self)


class Queue:
    """Takes batches while it is there."""

    def __init__(self) -> None:
        self.redis = SimpleNamespace(register_script=lambda _: lambda **_: 1)
        self.is_away = False
        self.written: list[str] = []

    def write(self, batch_id: str, body: bytes, **_: Any) -> bool:
        if self.is_away:
            raise RedisError("away")
        self.written.append(batch_id)
        return True

    def send_task(self, batch_id: str, **_: Any) -> None:
        pass


class Rig:
    """A bridge between the two."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.clock, self.queue = Clock(), Queue()
        for module in (bridge_module, sender_module):
            monkeypatch.setattr(module, "time", self.clock)
        monkeypatch.setattr("ingest_bridge.backpressure.read_levels", lambda _: Levels(0, 0))
        monkeypatch.setattr(
            bridge_module,
            "Session",
            lambda _, *, on_message: ScriptedSession(self.clock, on_message),
        )
        queue: Any = self.queue
        options = read_options(BridgeOptions, ENVIRON)
        self.bridge = Bridge(options, queue, queue.redis, retire=False)
        self.session: Any = self.bridge._session

    def play(self, *acts: Act, steps: int | None = None) -> None:
        """Let the session do this, one act a step."""
        self.session.script += acts
        for _ in range(steps or len(acts)):
            self.bridge.step()

    def run_until(self, condition: Callable[[], object], *, within_s: float) -> None:
        """Go round until it holds, on the clock of the rig."""
        until_s = self.clock.now_s + within_s
        while not condition():
            assert self.clock.now_s < until_s, f"not within {within_s} s"
            self.bridge.step()
            self.clock.sleep(0.01)


@pytest.fixture
def rig(monkeypatch: pytest.MonkeyPatch) -> Rig:
    return Rig(monkeypatch)


def bring(*packet_ids: int) -> Act:
    """Messages with these packet ids."""

    def act(session: ScriptedSession) -> None:
        for packet_id in packet_ids:
            session.deliver(RawMessage("t", b"m"), packet_id)

    return act


def subscribe(session: ScriptedSession) -> None:
    session.is_ready = True


def close(session: ScriptedSession) -> None:
    session.is_open = session.is_ready = False


def is_subscribed_again(rig: Rig) -> Callable[[], bool]:
    return lambda: len(rig.session.connected_at) == 2


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
        rig.run_until(lambda count=count: len(rig.session.connected_at) == count, within_s=6)
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
