"""Hostile messages end as the contract says; `make fuzz` runs ten times as many, and atheris, and
bounds the time that one takes."""

from tests.fuzz.hostile import check, make_hostile


def test_it_validates_hostile_messages_both_ways_alike() -> None:
    for topic, payload in make_hostile(2_000, seed=1):
        check(topic, payload)  # raises where they differ
