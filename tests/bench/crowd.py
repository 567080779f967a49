"""Members who have the overview open: they poll as its page does, and read the API now and then."""

import random
import threading
import time
from collections import Counter
from collections.abc import Sequence
from datetime import UTC, datetime
from types import TracebackType
from typing import Self

from msgspec import Struct

from tests.bench.addresses import AGGREGATES, HOURS, OVERVIEW, STATE, Place, fill_in
from tests.bench.results import Run, percentiles
from tests.bench.visitor import Answer, Visitor


class Habit(Struct, frozen=True):
    """An address that a member asks for again and again."""

    name: str
    address: str
    every_s: float


ARRIVAL = Habit("overview", OVERVIEW, 5.0)
"""Once, by all within so many seconds."""
HABITS = (
    Habit("live state", STATE, 5.0),
    Habit("live aggregates", AGGREGATES, 15.0),
    Habit("API, hours of a device", HOURS, 30.0),
)


class Crowd:
    """Each member in a thread. Use with `with`; `answers`, by name, grow meanwhile."""

    def __init__(
        self,
        visitors: Sequence[Visitor],
        *,
        places: Sequence[Place],
        habits: Sequence[Habit] = HABITS,
    ) -> None:
        self.answers: list[tuple[str, Answer]] = []
        self._habits = habits
        self._places = places
        self._is_over = threading.Event()
        share_s = ARRIVAL.every_s / len(visitors)
        self._threads = [
            threading.Thread(target=self._stay, args=(visitor, number * share_s), daemon=True)
            for number, visitor in enumerate(visitors)
        ]

    def __enter__(self) -> Self:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._is_over.set()
        for thread in self._threads:
            thread.join()

    def _stay(self, visitor: Visitor, wait_s: float) -> None:
        chance = random.Random(wait_s)
        tags: dict[Habit, str | None] = {}
        if self._is_over.wait(wait_s):
            return
        self._ask(visitor, ARRIVAL, chance=chance, tag=None)
        due_s = {habit: time.monotonic() + habit.every_s for habit in self._habits}
        while True:
            habit = min(due_s, key=due_s.__getitem__)
            if self._is_over.wait(max(0.0, due_s[habit] - time.monotonic())):
                return
            answer = self._ask(visitor, habit, chance=chance, tag=tags.get(habit))
            tags[habit] = answer.tag or tags.get(habit)
            due_s[habit] = time.monotonic() + habit.every_s

    def _ask(
        self, visitor: Visitor, habit: Habit, *, chance: random.Random, tag: str | None
    ) -> Answer:
        today = datetime.now(UTC).date()
        path = fill_in(habit.address, place=chance.choice(self._places), today=today)
        answer = visitor.get(path, tag=tag)
        self.answers.append((habit.name, answer))
        return answer


def describe_answers(answers: Sequence[tuple[str, Answer]], *, seconds: float) -> Run:
    """Milliseconds of all and by what was asked, errors, how many said that nothing changed."""
    unchanged = sum(answer.status == 304 for _, answer in answers)
    run: Run = {
        "requests a second": len(answers) / seconds,
        "errors": float(sum(not answer.is_good for _, answer in answers)),
        "not modified, %": 100 * unchanged / len(answers),
    }
    times = {"all": [answer.ms for _, answer in answers]}
    for name, answer in answers:
        times.setdefault(name, []).append(answer.ms)
    for name, found in times.items():
        run |= {f"{name}, {point}, ms": value for point, value in percentiles(found).items()}
    return run


def list_errors(answers: Sequence[tuple[str, Answer]]) -> list[str]:
    """What went wrong, in words, the most frequent first."""
    wrong = Counter(
        f"{name}: {answer.status or answer.text.decode()}"
        for name, answer in answers
        if not answer.is_good
    )
    return [f"{words} ({count} times)" for words, count in wrong.most_common()]
