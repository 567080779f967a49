"""Which faults hit when. Pure: a seed always gives the same schedules."""

import random
from collections.abc import Iterator
from dataclasses import dataclass

WHOLE = "everything"  # the target of a fault that bears no other beside it


@dataclass(frozen=True)
class Kind:
    """A kind of fault. `target` is the part that it hits; `lasts_s`: shortest and longest."""

    name: str
    target: str
    lasts_s: tuple[float, float] = (0.3, 4.0)


@dataclass(frozen=True)
class Fault:
    """A fault of a schedule: `at_s` after the start of the load, for `for_s`."""

    kind: Kind
    at_s: float
    for_s: float


@dataclass(frozen=True)
class Schedule:
    """The faults under one load. `seed` is that of its messages."""

    number: int
    seed: int
    faults: tuple[Fault, ...]


def make_schedules(
    kinds: tuple[Kind, ...], *, seed: int, count: int, faults: int, load_s: float
) -> list[Schedule]:
    """`count` schedules of up to `faults` faults, no two on the same part, each kind equally often.

    The kinds are dealt like cards: none comes again before all others came. A longer list begins
    with a shorter one of the same seed.
    """
    chance = random.Random(seed)
    deck = _deal(kinds, chance)
    held: list[Kind] = []
    return [
        Schedule(
            number,
            chance.getrandbits(31),
            tuple(
                Fault(
                    kind,
                    at_s=round(chance.uniform(0.1, 0.6) * load_s, 3),
                    for_s=round(chance.uniform(*kind.lasts_s), 3),
                )
                for kind in _draw(deck, held, faults)
            ),
        )
        for number in range(1, count + 1)
    ]


def _deal(kinds: tuple[Kind, ...], chance: random.Random) -> Iterator[Kind]:
    while True:
        yield from chance.sample(kinds, len(kinds))


def _draw(deck: Iterator[Kind], held: list[Kind], count: int) -> list[Kind]:
    """The next kinds with different targets; those that must wait are first the next time."""
    drawn: list[Kind] = []
    waiting: list[Kind] = []
    while len(drawn) < count and not (drawn and drawn[0].target == WHOLE):
        kind = held.pop(0) if held else next(deck)
        targets = {other.target for other in drawn}
        if kind.target in targets or (drawn and kind.target == WHOLE):
            waiting.append(kind)
        else:
            drawn.append(kind)
    held[:0] = waiting
    return drawn
