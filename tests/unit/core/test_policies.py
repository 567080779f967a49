"""Pure policies: backoff, liveness, in-flight arithmetic, stale batches, the delivery report."""

from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from telemetry.core.batch import list_above
from telemetry.core.outcome import Counts
from telemetry.core.presence import BridgeSign, choose_offline_instant
from telemetry.core.retry import backoff_delay_s
from telemetry.queue.batches import PendingBatch
from telemetry.queue.requeue import choose_stale
from telemetry.store.operations.delivery_report import count_in_flight


@given(st.integers(1, 10_000), st.floats(0, 1, exclude_max=True))
def test_it_never_waits_longer_than_the_cap(attempt: int, chance: float) -> None:
    assert 0 < backoff_delay_s(attempt, chance=chance, longest_s=10) <= 10


def test_it_doubles_and_keeps_jitter_at_the_cap() -> None:
    assert [backoff_delay_s(n, chance=0.0) for n in (1, 2, 3)] == [0.1, 0.2, 0.4]
    assert backoff_delay_s(99, chance=0.5, longest_s=10) == 7.5


READY = BridgeSign(is_ready=True, heard_at=1000.0)


@pytest.mark.parametrize(
    ("bridges", "oldest", "instant"),
    [
        pytest.param([READY], None, 1005.0, id="judges now when nothing is pending"),
        pytest.param([READY], 990.0, 990.0, id="judges the oldest pending batch's time"),
        pytest.param([], None, None, id="says nothing without a bridge"),
        pytest.param([BridgeSign(is_ready=False, heard_at=1000.0)], None, None, id="not ready"),
        pytest.param([BridgeSign(is_ready=True, heard_at=900.0)], None, None, id="not heard of"),
    ],
)
def test_it_chooses_the_instant_of_the_sweep(
    bridges: list[BridgeSign], oldest: float | None, instant: float | None
) -> None:
    assert choose_offline_instant(now=1005.0, bridges=bridges, oldest_pending_at=oldest) == instant


def pending(batch_id: str, *, count: int = 10, claimed_at: float | None = None) -> PendingBatch:
    return PendingBatch(batch_id, 100.0, count, 0, claimed_at)


@pytest.mark.parametrize(
    ("stored", "in_flight"),
    [
        pytest.param({}, 10, id="nothing stored"),
        pytest.param({"a": 10}, 0, id="stored and not yet removed"),
        pytest.param({"a.0": 5}, 5, id="a half stored"),
        pytest.param({"a.0": 5, "a.10": 2}, 3, id="a half and a quarter stored"),
        pytest.param({"ab": 10, "b.0": 3}, 10, id="others stored"),
    ],
)
def test_it_counts_in_flight_when(stored: dict[str, int], in_flight: int) -> None:
    assert count_in_flight([pending("a")], stored) == in_flight


def test_it_counts_the_parts_of_parts_below_each_unfinished_part() -> None:
    unfinished = [pending("a.0"), pending("a.10"), pending("b")]
    stored = {"a": 0, "a.00": 4, "a.11": 3, "b.0110": 2, "c.0": 1}
    assert count_in_flight(unfinished, stored) == 30 - 4 - 2


class CountedPasses(dict[str, int]):
    """How often it was gone through."""

    passes = 0

    def items(self) -> Any:
        self.passes += 1
        return super().items()

    def __iter__(self) -> Iterator[str]:
        self.passes += 1
        return super().__iter__()


def test_it_counts_what_is_in_flight_of_many_held_parts_in_one_pass() -> None:
    stems = [f"{n:012x}-{n:012x}" for n in range(1_000)]
    unfinished = [pending(f"{stem}.1", count=3) for stem in stems]
    stored = CountedPasses()
    for stem in stems:
        stored.update({stem: 0, f"{stem}.0": 3})
    assert count_in_flight(unfinished, stored) == 3_000
    assert stored.passes == 1


def test_it_lists_what_a_batch_is_a_part_of() -> None:
    assert list_above("a") == []
    assert list_above("a.1") == ["a"]
    assert list_above("a.010") == ["a", "a.0", "a.01"]


def test_it_offers_again_what_is_old_or_noted_by_a_clock_that_was_ahead() -> None:
    """Or one of those is found an hour later, when the clock has come that far."""
    batches = [
        pending("old"),
        PendingBatch("young", 199.0, 1, 0, None),
        PendingBatch("a little ahead", 203.0, 1, 0, None),
        PendingBatch("received ahead", 3800.0, 1, 0, None),
    ]
    stale = choose_stale(batches, now=200.0, stale_after_s=30)
    assert [batch.id for batch in stale] == ["old", "received ahead"]


@given(st.lists(st.tuples(st.integers(0, 5), st.integers(0, 5), st.integers(0, 5), st.booleans())))
def test_it_keeps_books_that_add_up(messages: list[tuple[int, int, int, bool]]) -> None:
    counts = Counts()
    for stored, duplicate, rejected, is_whole in messages:
        if is_whole:
            counts.add_message(stored=0, duplicate=0, rejected=1, is_whole=True)
        else:
            counts.add_message(
                stored=stored, duplicate=duplicate, rejected=rejected, is_whole=False
            )
    assert counts.messages == len(messages)
    assert counts.messages == (
        counts.messages_stored + counts.messages_duplicate + counts.messages_rejected
    )
    assert counts.readings == (
        counts.readings_stored + counts.readings_duplicate + counts.readings_rejected
    )
    whole = sum(is_whole for *_, is_whole in messages)
    assert counts.dead_letters == counts.readings_rejected + whole
