"""When a bridge pauses and when it goes on."""

from types import SimpleNamespace

import pytest

from ingest_bridge import backpressure
from ingest_bridge.backpressure import CHECK_EVERY_S, Backpressure
from telemetry.queue.levels import Levels, WaterMarks

MARKS = WaterMarks(pending_high=1000, pending_low=800, memory_high=80, memory_low=70)


@pytest.mark.parametrize(
    ("pending", "memory", "was_paused", "is_paused"),
    [
        (1000, 80, False, False),
        (1001, 0, False, True),
        (0, 80.1, False, True),
        (900, 0, False, False),
        (900, 0, True, True),
        (800, 75, True, True),
        (800, 70, True, False),
        (0, 0, True, False),
    ],
    ids=[
        "at both high marks it goes on",
        "above the mark of pending it pauses",
        "above the mark of memory it pauses",
        "between the marks it goes on",
        "between the marks it stays paused",
        "between the marks of memory it stays paused",
        "at both low marks it resumes",
        "when empty it resumes",
    ],
)
def test_it_keeps_to_its_marks(
    pending: int, memory: float, was_paused: bool, is_paused: bool
) -> None:
    reason = MARKS.find_pause_reason(Levels(pending, memory), is_paused=was_paused)
    assert bool(reason) is is_paused


def test_it_says_why() -> None:
    reason = MARKS.find_pause_reason(Levels(1001, 0), is_paused=False)
    assert reason == "1001 messages pending, the mark is 1000"


def test_it_looks_twice_a_second(monkeypatch: pytest.MonkeyPatch) -> None:
    looks = iter([Levels(1001, 0), Levels(0, 0)])
    monkeypatch.setattr(backpressure, "read_levels", lambda _: next(looks))
    seen = Backpressure(SimpleNamespace(redis=None), MARKS)  # type: ignore[arg-type]
    paused = []
    for part in (0, 0.9, 1):
        seen.check(now_s=part * CHECK_EVERY_S)
        paused.append(seen.is_paused)
    assert paused == [True, True, False]
