"""What befalls a run: events, each at one call of one actor, drawn from a seed or given.

Everything that a run leaves to chance is decided here or by `World.chance`; so a seed, or a list of
events, is the whole run. Events are named by actor and call number: when some are left out, the
others still mean the same, and a failing run can be shrunk.
"""

from collections.abc import Iterable
from random import Random
from typing import NamedTuple

PAUSES_S = (0.01, 1.0, 12.0, 25.0, 70.0, 70.0)  # the last ones pass every limit
MOST_EVENTS = 12
# Calls between two steps that belong together: seldom, so events are drawn to them.
RARE = frozenset(
    {
        "commits",
        "enters the split",
        "makes a dead letter",
        "Put two parts in the place of a pending batch",
        "Put a batch aside",
    }
)
RARE_CHANCE = 0.15

# What may happen at a call of each kind.
KINDS = {
    "redis": (
        "switch",
        "error",
        "lost reply",
        "crash",
        "late crash",
        "pause",
        "late pause",
        "full",
    ),
    "store": (
        "switch",
        "error",
        "lost reply",
        "crash",
        "late crash",
        "pause",
        "late pause",
        "away",
    ),
    "broker": ("switch", "error", "crash", "late crash", "pause", "late pause", "cut", "stop"),
    "sleep": ("switch", "crash", "pause", "cut", "stop", "full", "away"),
}
ALL_KINDS = tuple(sorted({kind for kinds in KINDS.values() for kind in kinds}))


class Event(NamedTuple):
    """`kind` happens to `actor` at its call number `call`; `argument` says how long, or to whom."""

    actor: str
    call: int
    kind: str
    argument: float


class Drawn:
    """Events as they come from a seed. Each run has its own taste: which kinds, how often."""

    def __init__(self, seed: int) -> None:
        self._random = random = Random(seed)
        tastes = random.sample(ALL_KINDS, random.randint(1, 6))
        self._kinds = {
            place: [kind for kind in kinds if kind in tastes] for place, kinds in KINDS.items()
        }
        self._gap = random.choice((4, 8, 16, 40))
        self._wait = random.randint(0, self._gap * 2)
        self.events: list[Event] = []

    def at(self, actor: str, call: int, place: str, label: str) -> Event | None:
        """What happens at this call, mostly nothing."""
        self._wait -= 1
        if self._wait >= 0 and (label not in RARE or self._random.random() > RARE_CHANCE):
            return None
        if len(self.events) >= MOST_EVENTS:
            return None
        kinds, random = self._kinds[place], self._random
        if not kinds:
            return None
        self._wait = int(random.expovariate(1 / self._gap))
        kind = random.choice(kinds)
        event = Event(actor, call, kind, random.choice(PAUSES_S))
        self.events.append(event)
        return event


class Given:
    """Events as they are given."""

    def __init__(self, events: Iterable[Event]) -> None:
        self.events = list(events)
        self._by_call = {(event.actor, event.call): event for event in self.events}

    def at(self, actor: str, call: int, place: str, _label: str) -> Event | None:
        """What happens at this call, if it can happen there."""
        event = self._by_call.get((actor, call))
        return event if event is not None and event.kind in KINDS[place] else None
