"""The reject guard: a bad deploy stops it, one gateway gone wild does not."""

from telemetry.core.judge import Verdict
from workers.guard import GuardPolicy, Heard, RejectGuard, hear

POLICY = GuardPolicy(share=90, gateways=10, window_s=60)
FLEET = [f"02:00:00:00:00:{number:02x}" for number in range(40)]


def refused(*macs: str) -> Heard:
    return Heard(frozenset(), frozenset(macs))


def served(*macs: str) -> Heard:
    return Heard(frozenset(macs), frozenset())


def test_it_holds_when_nearly_every_gateway_gets_nothing_in() -> None:
    guard = RejectGuard(POLICY)
    assert not guard.holds(refused(*FLEET[:9]), now_s=0)
    assert guard.holds(refused(*FLEET[9:]), now_s=1)
    assert guard.reason == "40 of 40 gateways got nothing in within 60 s; the limit is 90%"


def test_it_lets_one_gateway_send_nonsense_without_end() -> None:
    guard = RejectGuard(POLICY)
    guard.holds(served(*FLEET[1:]), now_s=0)
    for now_s in range(50):
        assert not guard.holds(refused(FLEET[0]), now_s=now_s)


def test_it_stores_a_good_batch_and_lets_go_when_gateways_are_served_again() -> None:
    guard = RejectGuard(POLICY)
    assert guard.holds(refused(*FLEET), now_s=0)
    assert guard.holds(refused(*FLEET), now_s=30)
    assert not guard.holds(served(*FLEET[:8]), now_s=40)
    assert not guard.is_tripped


def test_it_holds_from_the_start_when_another_process_does() -> None:
    guard = RejectGuard(POLICY, reason="as it was said")
    assert guard.holds(refused(FLEET[0]), now_s=0)
    assert not guard.holds(served(FLEET[0]), now_s=1)


def test_it_forgets_what_is_older_than_the_window() -> None:
    guard = RejectGuard(POLICY)
    guard.holds(refused(*FLEET[:9]), now_s=0)
    assert not guard.holds(refused(*FLEET[9:12]), now_s=61)


def test_it_counts_registered_gateways_only_and_each_once() -> None:
    def verdict(mac: str, *, good: bool) -> Verdict:
        return Verdict(mac, None, 1, [object()] if good else [], [], [])  # type: ignore[list-item]

    heard = hear(
        [
            verdict(FLEET[0], good=False),
            verdict(FLEET[0], good=True),
            verdict(FLEET[1], good=False),
            verdict(FLEET[1], good=False),
            verdict("ff:ff:ff:ff:ff:ff", good=False),
            verdict("", good=False),
        ],
        known=set(FLEET),
    )
    assert heard == Heard(frozenset({FLEET[0]}), frozenset({FLEET[1]}))
