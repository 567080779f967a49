"""The reject guard: a bad deploy stops it, one gateway gone wild does not."""

from telemetry.core.validator import ValidatedMessage
from workers.guard import GuardPolicy, Heard, RejectGuard, hear

POLICY = GuardPolicy(share=90, gateways=10, window_s=60)
FLEET = [f"02:00:00:00:00:{number:02x}" for number in range(40)]


def rejected(*macs: str) -> Heard:
    return Heard(frozenset(), frozenset(macs))


def served(*macs: str) -> Heard:
    return Heard(frozenset(macs), frozenset())


def hears(guard: RejectGuard, heard: Heard, *, now_s: float) -> bool:
    """What happens to a batch: its rejected gateways' messages are held, or it is stored."""
    holds = guard.holds(heard, now_s=now_s)
    guard.note_served(heard.served, now_s=now_s)
    return holds


def test_it_holds_when_nearly_every_gateway_gets_nothing_in() -> None:
    guard = RejectGuard(POLICY)
    assert not hears(guard, rejected(*FLEET[:9]), now_s=0)
    assert hears(guard, rejected(*FLEET[9:]), now_s=1)
    assert guard.reason == "40 of 40 gateways got nothing in within 60 s; the limit is 90%"


def test_it_lets_one_gateway_send_nonsense_without_end() -> None:
    guard = RejectGuard(POLICY)
    hears(guard, served(*FLEET[1:]), now_s=0)
    for now_s in range(50):
        assert not hears(guard, rejected(FLEET[0]), now_s=now_s)


def test_it_stores_a_good_batch_and_lets_go_when_gateways_are_served_again() -> None:
    guard = RejectGuard(POLICY)
    assert hears(guard, rejected(*FLEET), now_s=0)
    assert hears(guard, rejected(*FLEET), now_s=30)
    assert not hears(guard, served(*FLEET[:8]), now_s=40)
    assert not guard.is_tripped


def test_it_goes_on_holding_when_only_few_others_are_served() -> None:
    """However long the gateways that it holds are silent."""
    guard = RejectGuard(POLICY)
    assert hears(guard, rejected(*FLEET[:20]), now_s=0)
    assert not hears(guard, served(*FLEET[20:22]), now_s=1)
    assert guard.is_tripped
    assert not hears(guard, served(*FLEET[20:22]), now_s=1000)
    assert guard.is_tripped
    hears(guard, served(*FLEET[:2]), now_s=1001)
    assert not guard.is_tripped, "18 of 22 are rejected: fewer than 90%"


def test_it_lets_go_when_others_show_that_not_nearly_everything_is_rejected() -> None:
    guard = RejectGuard(POLICY)
    assert hears(guard, rejected(*FLEET[:14]), now_s=0)
    hears(guard, served(*FLEET[14:]), now_s=1)
    assert not guard.is_tripped
    assert not hears(guard, rejected(*FLEET[:14]), now_s=2)


def test_it_needs_to_have_heard_enough_when_it_began_with_the_reason_of_another() -> None:
    guard = RejectGuard(POLICY, reason="as it was said")
    hears(guard, rejected(FLEET[0]), now_s=0)
    hears(guard, served(*FLEET[1:4]), now_s=1)
    assert guard.is_tripped, "4 gateways are too few to judge by"
    hears(guard, served(*FLEET[4:10]), now_s=2)
    assert not guard.is_tripped


def test_it_holds_from_the_start_when_another_process_does() -> None:
    guard = RejectGuard(POLICY, reason="as it was said")
    assert hears(guard, rejected(FLEET[0]), now_s=0)
    assert not hears(guard, served(FLEET[0]), now_s=1)


def test_it_learns_nothing_from_good_messages_that_could_not_be_stored() -> None:
    guard = RejectGuard(POLICY)
    for _ in range(3):
        assert not guard.holds(served(*FLEET), now_s=0)
    assert guard.holds(rejected(*FLEET), now_s=1)


def test_it_forgets_what_is_older_than_the_window() -> None:
    guard = RejectGuard(POLICY)
    hears(guard, rejected(*FLEET[:9]), now_s=0)
    assert not hears(guard, rejected(*FLEET[9:12]), now_s=61)


def test_it_counts_registered_gateways_only_and_each_once() -> None:
    def validated_message(mac: str, *, good: bool) -> ValidatedMessage:
        return ValidatedMessage(mac, None, 1, [object()] if good else [], [], [])  # type: ignore[list-item]

    heard = hear(
        [
            validated_message(FLEET[0], good=False),
            validated_message(FLEET[0], good=True),
            validated_message(FLEET[1], good=False),
            validated_message(FLEET[1], good=False),
            validated_message("ff:ff:ff:ff:ff:ff", good=False),
            validated_message("", good=False),
        ],
        known=set(FLEET),
    )
    assert heard == Heard(frozenset({FLEET[0]}), frozenset({FLEET[1]}))


def test_it_holds_above_the_share_and_not_at_it() -> None:
    guard = RejectGuard(POLICY)
    hears(guard, served(FLEET[0]), now_s=0)
    assert not hears(guard, rejected(*FLEET[1:10]), now_s=1), "9 of 10 are 90%"
    assert hears(guard, rejected(FLEET[10]), now_s=2), "10 of 11 are more"


def test_it_stores_a_batch_of_which_no_more_than_the_share_is_rejected() -> None:
    guard = RejectGuard(POLICY)
    hears(guard, rejected(*FLEET[:9]), now_s=0)
    heard = Heard(frozenset(FLEET[9:10]), frozenset(FLEET[10:19]))
    assert heard.rejected_percent == 90
    assert not guard.holds(heard, now_s=1), "18 of 18 got nothing in by then"
    assert not guard.is_tripped


def test_it_forgets_who_was_served_before_the_window_and_not_within() -> None:
    guard = RejectGuard(POLICY)
    hears(guard, served(*FLEET[20:]), now_s=0)
    assert not hears(guard, rejected(*FLEET[:20]), now_s=60), "20 of 40"
    assert hears(guard, rejected(*FLEET[:20]), now_s=61), "20 of 20"


def test_it_counts_who_was_rejected_as_long_as_the_window_is() -> None:
    guard = RejectGuard(POLICY)
    hears(guard, rejected(*FLEET[:9]), now_s=0)
    assert hears(guard, rejected(*FLEET[9:12]), now_s=60)


def test_it_keeps_the_reason_that_it_began_with_while_it_holds() -> None:
    guard = RejectGuard(POLICY)
    hears(guard, rejected(*FLEET[:12]), now_s=0)
    reason = guard.reason
    hears(guard, rejected(*FLEET), now_s=1)
    assert guard.reason == reason


def test_it_holds_with_what_it_learns_from_other_processes() -> None:
    guard = RejectGuard(POLICY)
    assert not hears(guard, rejected(*FLEET[:7]), now_s=1)
    assert guard.is_suspicious
    guard.learn(rejected=dict.fromkeys(FLEET[7:14], 1.0), served={})
    assert hears(guard, rejected(FLEET[0]), now_s=2)
    assert guard.reason.startswith("14 of 14 gateways")


def test_it_learns_that_others_serve_most_gateways() -> None:
    guard = RejectGuard(POLICY)
    hears(guard, rejected(*FLEET[:10]), now_s=1)
    assert guard.is_tripped
    guard.learn(rejected={}, served=dict.fromkeys(FLEET[10:], 1.0))
    assert not guard.is_tripped
    assert not guard.is_suspicious
    assert not hears(guard, rejected(*FLEET[:10]), now_s=2)


def test_what_it_learns_late_does_not_make_what_it_heard_older() -> None:
    guard = RejectGuard(POLICY)
    hears(guard, rejected(*FLEET[:9]), now_s=100)
    guard.learn(rejected=dict.fromkeys(FLEET[:9], 30.0), served={})
    assert hears(guard, rejected(FLEET[9]), now_s=101)


def test_it_lists_what_it_heard_since() -> None:
    guard = RejectGuard(POLICY)
    hears(guard, Heard(frozenset({FLEET[1]}), frozenset({FLEET[2]})), now_s=5)
    hears(guard, rejected(FLEET[0]), now_s=6)
    assert guard.list_since(6) == ({FLEET[0]: 6}, {})
    assert guard.list_since(5) == ({FLEET[0]: 6, FLEET[2]: 5}, {FLEET[1]: 5})


def test_it_is_not_suspicious_when_most_gateways_are_served() -> None:
    guard = RejectGuard(POLICY)
    hears(guard, served(FLEET[0]), now_s=0)
    hears(guard, rejected(*FLEET[1:10]), now_s=0)
    assert not guard.is_suspicious, "9 of 10 are 90%"
    hears(guard, rejected(FLEET[10]), now_s=0)
    assert guard.is_suspicious
