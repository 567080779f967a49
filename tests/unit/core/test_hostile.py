"""Hostile messages end as the contract says; `make fuzz` runs ten times as many, and atheris."""

from tests.fuzz.hostile import MOST_S, check, make_hostile


def test_it_validates_hostile_messages_both_ways_alike_and_within_the_time() -> None:
    slow = [
        (topic[:80], payload[:200])
        for topic, payload in make_hostile(2_000, seed=1)
        if check(topic, payload) > MOST_S and check(topic, payload) > MOST_S
    ]
    assert slow == []
