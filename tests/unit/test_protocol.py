"""The protocol keeps every message, in every order of steps; a fault in its rules is found."""

from dataclasses import fields

import pytest

from tests.protocol.check import begin, walk
from tests.protocol.model import Rules


@pytest.mark.parametrize(
    ("messages", "workers", "faults", "has_excess"),
    [(3, 2, 0, False), (2, 3, 0, False), (2, 2, 1, False), (3, 1, 2, False), (3, 1, 1, True)],
    ids=[
        "two levels of halves",
        "three workers",
        "a fault at any step",
        "two faults, one worker",
        "a part that is above a limit",
    ],
)
def test_it_keeps_every_message_in_every_order_of_steps(
    messages: int, workers: int, faults: int, has_excess: bool
) -> None:
    first = begin(messages=messages, workers=workers, faults=faults, has_excess=has_excess)
    found = walk(Rules(), first)
    assert found.violation == "", str(found)
    assert found.states > 1_000, "a model in which little happens proves little"


BEFORE = Rules(splits_enter_the_ledger=False)


def test_it_finds_the_worker_that_goes_on_after_others_split_its_batch() -> None:
    found = walk(BEFORE, begin(messages=2, workers=2, faults=0))
    assert found.violation == "a message is stored twice"
    assert "worker stores A" in found.trace
    assert "worker splits A in Redis" in found.trace


def test_it_finds_the_worker_that_ends_between_commit_and_finish() -> None:
    found = walk(BEFORE, begin(messages=2, workers=1, faults=1))
    assert found.violation == "a message is stored twice"
    assert "FAULT worker that was finishing A gives it back" in found.trace


def test_it_finds_the_half_that_is_stored_and_whose_finish_fails() -> None:
    begun = begin(messages=3, workers=1, faults=1)._replace(
        broker_holds=False,
        deliveries=2,
        received=3,
        bodies=(("A.0", 0), ("A.1", 0)),
        pending=frozenset({"A.0", "A.1"}),
        ready=frozenset({"A.0", "A.1"}),
    )
    found = walk(BEFORE, begun)
    assert found.violation == "a message is stored twice"
    assert "FAULT worker that was finishing A.1 gives it back" in found.trace
    assert walk(Rules(), begun).violation == ""


@pytest.mark.parametrize("name", [field.name for field in fields(Rules)])
def test_it_finds_what_follows_when_a_rule_is_broken(name: str) -> None:
    first = begin(messages=2, workers=2, faults=1, has_excess="first_part" in name)
    found = walk(Rules(**{name: False}), first)
    assert found.violation, name
    assert found.trace
