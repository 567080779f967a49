"""The simulation: a seed is a run, what is wrong is found and shrunk, and nothing is found."""

from collections.abc import Iterator

import pytest

from tests.simulation.faked import faked_modules
from tests.simulation.plant import Wiring
from tests.simulation.planted import FAULTS, Fault, find, planted
from tests.simulation.run import run, shrink

MOST_SEEDS = 20_000
# Where faults that are found late were found: looked at first, and no more than that.
LATE = {
    "a start beside others counts as one alone": 3_825,
    "a worker that waits does not say so": 3_017,
    "a start that was given back counts": 1_064,
    "acknowledgements of another generation are sent": 997,
    "a new connection is no new generation": 997,
    "who lost its claim gives the batch back": 798,
    "the ledger does not know of the excess in a batch whose rest it has": 486,
    "excess is stored as the first part of its batch": 486,
    "who meets a split finishes the batch": 486,
    "only a connection that was ready ends a generation": 478,
    "excess is forgotten when the rest of its batch is stored": 426,
    "what is stored of a batch that holds excess counts as pending": 426,
    "a batch is split without asking the ledger": 302,
    "Redis knows of a split before the ledger": 302,
}


@pytest.fixture(autouse=True)
def _faked() -> Iterator[None]:
    with faked_modules():
        yield


def test_it_is_decided_by_its_seed_alone() -> None:
    wiring = Wiring()
    first = [run(seed, wiring, traced=True) for seed in range(20)]
    again = [run(seed, wiring, traced=True) for seed in range(20)]
    assert first == again
    assert len({outcome.trace[-1] for outcome in first}) > 10


def test_it_replays_the_events_of_a_seed_as_the_seed() -> None:
    wiring = Wiring()
    for seed in range(20):
        drawn = run(seed, wiring, traced=True)
        assert run(seed, wiring, drawn.events, traced=True).trace == drawn.trace


def test_it_finds_nothing_in_the_product() -> None:
    """In a few: the acceptance test looks at 20,000."""
    wiring = Wiring()
    failed = [outcome for seed in range(200) if (outcome := run(seed, wiring)).violation]
    assert failed == []


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault.name)
def test_it_finds_what_was_planted(fault: Fault) -> None:
    known = [LATE[fault.name]] if fault.name in LATE else []
    found = find(fault, seeds=[*known, *range(MOST_SEEDS)])
    assert found is not None, f"{fault.name}: not in {MOST_SEEDS} schedules"


def test_it_shrinks_a_failing_schedule_to_what_matters() -> None:
    [fault] = [fault for fault in FAULTS if fault.name == "a repeated write counts again"]
    found = find(fault, seeds=range(MOST_SEEDS))
    assert found is not None
    with planted(fault) as wiring:
        least = shrink(found, wiring)
    assert [event.kind for event in least.events] == ["lost reply"]
    assert "difference 1" in least.violation
    assert any("<-- lost reply" in line for line in least.trace)


def test_it_says_when_what_a_planted_fault_replaces_is_gone() -> None:
    fault = Fault("no such text", "workers.runner:BatchRunner._wait", "no such text", "")
    with pytest.raises(ValueError, match="no such text"), planted(fault):
        pass
