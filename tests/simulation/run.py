"""Run one schedule, replay it, and shrink one that fails."""

from dataclasses import dataclass

from tests.simulation.cases import draw_case
from tests.simulation.faked import FAKED
from tests.simulation.plant import Plant, Wiring
from tests.simulation.schedule import Drawn, Event, Given
from tests.simulation.watch import check_rest, is_at_rest
from tests.simulation.world import Schedule, World

LONGEST_S = 5_000.0


@dataclass
class Outcome:
    """What became of a run. `violation` is empty when everything held."""

    seed: int
    events: list[Event]
    violation: str
    trace: list[str]
    calls: int


def run(
    seed: int, wiring: Wiring, events: list[Event] | None = None, *, traced: bool = False
) -> Outcome:
    """Run the schedule of a seed, or the same case with other events. Inside `faked_modules`."""
    schedule: Schedule = Drawn(seed) if events is None else Given(events)
    world = World(seed, schedule)
    world.trace = [] if traced else None
    FAKED.world = world
    plant = FAKED.plant = Plant(world, draw_case(seed), wiring)
    is_over = world.run(is_over=lambda: is_at_rest(plant), longest_s=LONGEST_S)
    found = list(world.violations)
    if not found and not is_over:
        found = ["it never comes to rest"]
    if not found:
        found = check_rest(plant)
    calls = sum(actor.calls for actor in world.actors)
    world.end()
    return Outcome(seed, schedule.events, "; ".join(found), world.trace or [], calls)


def shrink(failed: Outcome, wiring: Wiring) -> Outcome:
    """The same violation with as few events as can be, with its trace."""
    events = failed.events
    size = len(events)
    while size:
        start = 0
        while start < len(events):
            fewer = events[:start] + events[start + size :]
            if run(failed.seed, wiring, fewer).violation:
                events = fewer
            else:
                start += size
        size = min(size // 2, len(events)) if size > 1 else 0
    return run(failed.seed, wiring, events, traced=True)
