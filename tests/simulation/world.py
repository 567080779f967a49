"""One thread, one clock, and actors that take turns: a run is decided by its schedule alone.

An actor runs until it sleeps, waits or meets an event. Every call that leaves a process (Redis, the
database, the broker, a sleep) goes through `World.call`, where an event may strike.
"""

from collections.abc import Callable
from random import Random
from typing import Any, Protocol

from greenlet import getcurrent, greenlet

from tests.simulation.schedule import Event

STEP_S = 0.0005
RESTART_S = 0.5
FOREVER = float("inf")


class Crash(BaseException):
    """The process is gone, as after SIGKILL: nothing catches it, and no call works any more."""


class Schedule(Protocol):
    """Drawn from a seed, or given."""

    events: list[Event]

    def at(self, actor: str, call: int, place: str, label: str, /) -> Event | None: ...


class Actor:
    """One process, and those that take its place after a crash."""

    def __init__(self, name: str, main: Callable[["Actor"], None]) -> None:
        self.name = name
        self.main = main
        self.calls = 0
        self.wakes_at = 0.0
        self.is_ready: Callable[[], Any] | None = None
        self.is_dead = False  # until the next process takes its place
        self.is_stopping = False
        self.is_busy = False
        self.is_steady = False  # nothing befalls it
        self.paused_until = 0.0
        self.greenlet: Any = None


class World:
    """Clock, actors and what befalls them."""

    def __init__(self, seed: int, schedule: Schedule) -> None:
        self.now = 1_700_000_000.0
        self.chance = Random(seed ^ 0x5EED)
        self.schedule = schedule
        self.actors: list[Actor] = []
        self.current: Actor | None = None
        self.violations: list[str] = []
        self.trace: list[str] | None = None
        self.strikes: dict[str, Callable[[Event], None]] = {}  # events that befall a server
        self.on_event: Callable[[Actor, Event], None] = lambda *_: None
        self._hub = getcurrent()
        self._last = -1
        self._is_over = False

    def add(self, name: str, main: Callable[[Actor], None]) -> Actor:
        """An actor whose processes run `main`, one after the other."""
        actor = Actor(name, main)
        actor.greenlet = greenlet(lambda: self._live(actor))
        self.actors.append(actor)
        return actor

    def note(self, text: str) -> None:
        """A line of the trace."""
        if self.trace is not None:
            who = self.current.name if self.current else "all"
            self.trace.append(f"{self.now - 1_700_000_000:9.3f}  {who:<9} {text}")

    def violate(self, text: str) -> None:
        """What must never happen has happened."""
        self.violations.append(text)
        self.note(f"VIOLATION: {text}")

    def call(
        self,
        place: str,
        label: str,
        effect: Callable[[], Any],
        fail: Callable[[], Exception] | None = None,
    ) -> Any:
        """A call that leaves the process. `fail` makes the error of one that gets no answer."""
        actor = self.current
        if actor is None:
            return effect()  # a test looks on
        if actor.is_dead:
            raise Crash
        actor.calls += 1
        self.now += STEP_S
        event = None
        if not actor.is_steady:
            event = self.schedule.at(actor.name, actor.calls, place, label)
        if self.trace is not None:
            self.note(f"{label}{'' if event is None else f'   <-- {describe(event)}'}")
        if event is None:
            return effect()
        return self._strike(actor, event, effect, fail)

    def _strike(
        self,
        actor: Actor,
        event: Event,
        effect: Callable[[], Any],
        fail: Callable[[], Exception] | None,
    ) -> Any:
        kind = event.kind
        self.on_event(actor, event)
        if kind == "crash":
            raise self.kill(actor)
        if kind == "error" and fail is not None:
            raise fail()
        if kind == "switch":
            self._pass_on(actor, self.now)
        elif kind == "pause":
            self._pause(actor, event.argument)
        elif kind == "stop":
            actor.is_stopping = True
        elif kind in self.strikes:
            self.strikes[kind](event)
        result = effect()
        if kind == "late crash":
            raise self.kill(actor)
        if kind == "lost reply" and fail is not None:
            raise fail()
        if kind == "late pause":
            self._pause(actor, event.argument)
        return result

    def kill(self, actor: Actor) -> Crash:
        """What to raise when the process of an actor ends at once."""
        actor.is_dead = True
        return Crash()

    def _pause(self, actor: Actor, seconds: float) -> None:
        actor.paused_until = self.now + seconds
        self._pass_on(actor, self.now + seconds)

    def sleep(self, seconds: float, *, until: Callable[[], Any] | None = None) -> None:
        """Wait, or until something is there."""
        actor = self.current
        assert actor is not None
        if actor.is_dead:
            raise Crash
        self.call("sleep", "sleeps", lambda: None)
        if until is not None and until():
            return
        self._pass_on(actor, self.now + max(seconds, STEP_S), until)

    def _pass_on(
        self, actor: Actor, wakes_at: float, until: Callable[[], Any] | None = None
    ) -> None:
        actor.wakes_at, actor.is_ready = wakes_at, until
        self._hub.switch()

    def run(self, *, is_over: Callable[[], bool], longest_s: float) -> bool:
        """Let the actors act until it is over; False when it is not within `longest_s`."""
        self._hub = getcurrent()
        give_up_at = self.now + longest_s
        while self.now < give_up_at and not self.violations:
            actor = self._choose()
            if actor is None:
                if is_over():
                    return True
                self.now = max(self.now, min(actor.wakes_at for actor in self.actors))
                continue
            self.current, actor.is_ready = actor, None
            actor.greenlet.switch()
            self.current = None
        return False

    def _choose(self) -> Actor | None:
        """The next one in turn that can go on; the one that passed on comes last."""
        count = len(self.actors)
        for step in range(1, count + 1):
            number = (self._last + step) % count
            actor = self.actors[number]
            if actor.wakes_at <= self.now or (actor.is_ready is not None and actor.is_ready()):
                self._last = number
                return actor
        return None

    def _live(self, actor: Actor) -> None:
        while not self._is_over:
            try:
                if actor.is_dead:
                    actor.is_dead = False
                    self._pass_on(actor, self.now + RESTART_S)
                actor.main(actor)
            except Crash:
                if not self._is_over:
                    self.note("is gone; another process takes its place")
            except Exception as error:
                self.violate(f"{actor.name} raised {error!r}")
            actor.is_dead, actor.is_stopping, actor.is_busy = True, False, False

    def end(self) -> None:
        """Let go of every actor."""
        self._is_over = True
        for actor in self.actors:
            actor.is_dead, self.current = True, actor
            if actor.greenlet:
                actor.greenlet.throw(Crash)
        self.current = None


def describe(event: Event) -> str:
    """An event in words."""
    if "pause" in event.kind or event.kind in ("full", "away"):
        return f"{event.kind} for {event.argument:g} s"
    return event.kind
