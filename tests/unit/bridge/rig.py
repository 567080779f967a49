"""A bridge between a scripted session and a queue that is there or not, on a clock of their own."""

import json
from collections.abc import Callable
from typing import Any

import pytest
from redis import RedisError

from config.env import read_options
from config.options import BridgeOptions
from ingest_bridge import bridge as bridge_module
from ingest_bridge import health as health_module
from ingest_bridge import sender as sender_module
from ingest_bridge.bridge import Bridge
from telemetry.core.batch import RawMessage
from telemetry.queue.batches import Written
from telemetry.queue.levels import Levels

MOST_QUESTIONS = 100_000
FULL = Levels(0, 95)
ENVIRON = {
    "REDIS_URL": "redis://127.0.0.1:1/0",
    "MQTT_HOST": "127.0.0.1",
    "MQTT_BRIDGE_USER": "bridge",
    "MQTT_BRIDGE_PASSWORD": "secret",
    "BRIDGE_SHARE_GROUP": "ingest",
    "BRIDGE_LINGER_MS": "0",
}
Act = Callable[["ScriptedSession"], None]


class Clock:
    """Stands still, but for sleeps and waits. Nobody may ask it for ever."""

    def __init__(self) -> None:
        self.now_s = 1_000.0
        self.slept: list[float] = []
        self._asked = 0

    def monotonic(self) -> float:
        self._asked += 1
        assert self._asked < MOST_QUESTIONS, "it goes round for ever"
        return self.now_s

    def time(self) -> float:
        return self.now_s

    def time_ns(self) -> int:
        return int(self.now_s * 1e9)

    def sleep(self, delay_s: float) -> None:
        self.slept.append(delay_s)
        self.now_s += delay_s

    def advance(self, delay_s: float) -> None:
        """Time passes in which nobody slept."""
        self.now_s += delay_s


class ScriptedSession:
    """A session that does the next act of a script in each step; acts of one tuple are read one
    after the other in the same step."""

    def __init__(self, clock: Clock, on_message: Callable[[RawMessage, int], None]) -> None:
        self._clock = clock
        self.deliver = on_message
        self.topic, self.was_present, self.broker_dropped = "topic", True, None
        self.broker_denials: dict[str, int] = {}
        self.is_new = False
        self.is_retiring = self.is_ready = self.is_open = False
        self.script: list[Act | tuple[Act, ...]] = []
        self._unread: list[Act] = []
        self.is_frozen = self.is_writable = False
        self.timeouts: list[float] = []
        self.writes = self.abandoned = 0
        self.closed: list[bool] = []
        self.on_keep_alive: Act = lambda _: None
        self.on_acknowledge: Act = lambda _: None
        self.connected_at: list[float] = []
        self.acknowledged: list[tuple[int, list[int]]] = []

    def connect(self) -> None:
        self.connected_at.append(self._clock.now_s)
        if self.is_frozen:
            raise ConnectionRefusedError
        self.is_open = True

    def wait(self, timeout_s: float) -> tuple[bool, bool]:
        self.timeouts.append(timeout_s)
        if self.is_open and self.script and not self._unread:
            act = self.script.pop(0)
            self._unread = list(act) if isinstance(act, tuple) else [act]
        if self._unread or self.is_writable:
            return bool(self._unread), self.is_writable
        self._clock.advance(timeout_s if self.is_open else 0)
        return False, False

    def read(self) -> None:
        if self._unread:
            self._unread.pop(0)(self)

    def write(self) -> None:
        self.writes += 1

    def keep_alive(self) -> None:
        self.on_keep_alive(self)

    def abandon(self) -> None:
        self.abandoned += 1
        close(self)

    def close(self, *, for_good: bool) -> None:
        self.closed.append(for_good)
        close(self)

    def acknowledge(self, packet_ids: list[int]) -> None:
        """Which connection of this session was told what."""
        self.acknowledged.append((len(self.connected_at), packet_ids))
        self.on_acknowledge(self)


class LeaseKeeper:
    """A Redis that has nothing but the lease of this bridge."""

    def __init__(self) -> None:
        self.is_away = self.is_taken = False
        self.told: list[dict[str, Any]] = []
        self.released: list[str] = []

    def register_script(self, text: str) -> Callable[..., int]:
        return self._renew if "EX" in text else self._release

    def _renew(self, *, args: list[Any], **_: Any) -> int:
        if self.is_away:
            raise RedisError("away")
        self.told.append(json.loads(args[1]))
        return int(not self.is_taken)

    def _release(self, *, args: list[Any], **_: Any) -> int:
        if self.is_away:
            raise RedisError("away")
        self.released.append(args[1])
        return 1


class Queue:
    """Takes batches while it is there."""

    def __init__(self) -> None:
        self.redis = LeaseKeeper()
        self.is_away = False
        self.storing_s = 0.0
        self.watched = 0
        self.written: list[str] = []
        self.counts: list[int] = []
        self.dropped: list[int] = []
        self.denied: list[tuple[str, int]] = []
        self.sessions: list[bool] = []

    def write(self, batch_id: str, body: bytes, *, count: int, **_: Any) -> Written:
        if self.is_away:
            raise RedisError("away")
        self.written.append(batch_id)
        self.counts.append(count)
        return Written(is_new=True, needs_worker=False, storing_s=self.storing_s)

    def watch(self) -> None:
        if self.redis.is_away:
            raise RedisError("away")
        self.watched += 1

    def note_denied(self, name: str, count: int) -> int:
        self.denied.append((name, count))
        return count

    def note_session(self, _client_id: str, *, is_kept: bool) -> bool:
        if self.redis.is_away:
            raise RedisError("away")
        self.sessions.append(is_kept)
        return not is_kept

    def note_dropped(self, count: int) -> int:
        if self.redis.is_away:
            raise RedisError("away")
        self.dropped.append(count)
        return count


class Rig:
    """A bridge between the two."""

    def __init__(
        self, monkeypatch: pytest.MonkeyPatch, *, retire: bool = False, **environ: str
    ) -> None:
        self.clock, self.queue, self.levels = Clock(), Queue(), Levels(0, 0)
        for module in (bridge_module, sender_module, health_module):
            monkeypatch.setattr(module, "time", self.clock)
        monkeypatch.setattr("ingest_bridge.backpressure.read_levels", lambda _: self.levels)
        monkeypatch.setattr(
            bridge_module,
            "Session",
            lambda _, *, on_message: ScriptedSession(self.clock, on_message),
        )
        queue: Any = self.queue
        options = read_options(BridgeOptions, {**ENVIRON, **environ})
        self.bridge = Bridge(options, queue, queue.redis, retire=retire)
        self.session: Any = self.bridge._session

    def play(self, *acts: Act | tuple[Act, ...], steps: int | None = None) -> None:
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


def bring(*packet_ids: int, payload: bytes = b"m", topic: str = "t") -> Act:
    """Messages with these packet ids."""

    def act(session: ScriptedSession) -> None:
        for packet_id in packet_ids:
            session.deliver(RawMessage(topic, payload), packet_id)

    return act


def subscribe(session: ScriptedSession) -> None:
    session.is_ready = True


def close(session: ScriptedSession) -> None:
    session.is_open = session.is_ready = False


def states(rig: Rig) -> list[str]:
    return [told["state"] for told in rig.queue.redis.told]


def next_state(rig: Rig) -> str:
    """What the bridge says of itself after one more round."""
    rig.clock.advance(5)
    rig.bridge.step()
    return states(rig)[-1]
