"""When a bridge pauses and when it goes on."""

import pytest

from ingest_bridge.backpressure import WaterMarks
from telemetry.queue.levels import Levels

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
    reason = MARKS.judge(Levels(pending, memory), is_paused=was_paused)
    assert bool(reason) is is_paused


def test_it_says_why() -> None:
    reason = MARKS.judge(Levels(1001, 0), is_paused=False)
    assert reason == "1001 messages pending, the mark is 1000"
