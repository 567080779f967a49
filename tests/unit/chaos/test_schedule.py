"""A seed decides everything; every kind of fault has its turn."""

from collections import Counter

from tests.chaos.__main__ import FAULTS
from tests.chaos.faults import list_causes
from tests.chaos.schedule import WHOLE, Kind, Schedule, make_schedules
from tests.chaos.stack import STALE_S, VISIBILITY_S

KINDS = tuple(cause.kind for cause in list_causes().values())


def make(seed: int = 1, count: int = 100, load_s: float = 5.0) -> list[Schedule]:
    return make_schedules(KINDS, seed=seed, count=count, faults=FAULTS, load_s=load_s)


def test_it_makes_the_same_schedules_of_the_same_seed() -> None:
    assert make(seed=5) == make(seed=5)
    assert make(seed=5) != make(seed=6)


def test_it_begins_with_the_shorter_list_of_the_same_seed() -> None:
    assert make(count=100)[:30] == make(count=30)


def test_it_hits_every_kind_at_least_five_times_in_a_hundred_schedules() -> None:
    hits = Counter(fault.kind.name for schedule in make() for fault in schedule.faults)
    assert set(hits) == {kind.name for kind in KINDS}
    assert min(hits.values()) >= 5
    assert max(hits.values()) - min(hits.values()) <= 2


def test_it_never_hits_one_part_twice_at_a_time() -> None:
    for schedule in make():
        targets = [fault.kind.target for fault in schedule.faults]
        assert len(targets) == len(set(targets))
        assert WHOLE not in targets or len(targets) == 1


def test_it_hits_within_the_load() -> None:
    for schedule in make(load_s=10.0):
        assert all(1.0 <= fault.at_s <= 6.0 for fault in schedule.faults)


def test_it_lets_each_kind_last_as_long_as_it_must() -> None:
    for schedule in make():
        for fault in schedule.faults:
            shortest_s, longest_s = fault.kind.lasts_s
            assert shortest_s <= fault.for_s <= longest_s


def test_it_pauses_beyond_what_a_pause_is_named_for() -> None:
    lasts_s = {kind.name: kind.lasts_s[0] for kind in KINDS if "pause" in kind.name}
    assert len(lasts_s) == 6
    for name, shortest_s in lasts_s.items():
        assert shortest_s > (VISIBILITY_S if "visibility" in name else STALE_S)


def test_it_fills_up_with_what_there_is_when_kinds_are_few() -> None:
    kinds = (Kind("a", "x"), Kind("b", "x"))
    schedules = make_schedules(kinds, seed=1, count=4, faults=1, load_s=1)
    assert Counter(f.kind.name for s in schedules for f in s.faults) == {"a": 2, "b": 2}
