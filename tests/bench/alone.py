"""How long each address takes by itself, one request after the other."""

import random
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from functools import partial

from compose.local.layout import StackError
from tests.bench.addresses import ENDPOINTS, LIVE, PAGES, Place, fill_in
from tests.bench.results import Run, percentiles
from tests.bench.visitor import Answer, Visitor

WARM_TIMES = 8  # then every thread of the web process has done its first work


class Tour:
    """A visitor who opens everything, each time for a device by chance and its account."""

    def __init__(self, visitor: Visitor, *, places: Sequence[Place]) -> None:
        self._visitor = visitor
        self._places = places
        self._chance = random.Random(11)
        self._today = datetime.now(UTC).date()

    def measure(self, *, times: int, warm: int = WARM_TIMES) -> Run:
        """Milliseconds of every page, parts that did not change, endpoints. Raises `StackError`.

        `warm`: requests of each that are not measured."""
        requests: dict[str, Callable[[], Answer]] = {
            **{name: partial(self._open, address) for name, address in PAGES.items()},
            **{f"{name}, unchanged": self._watch(PAGES[name]) for name in LIVE},
            **{f"API, {name}": partial(self._open, address) for name, address in ENDPOINTS.items()},
        }
        run: Run = {}
        for name, request in requests.items():
            found = [_require(request(), name=name).ms for _ in range(warm + times)]
            measured = percentiles(found[warm:])
            run |= {f"{name}, {point}, ms": value for point, value in measured.items()}
        return run

    def _open(self, address: str, *, place: Place | None = None, tag: str | None = None) -> Answer:
        place = place or self._chance.choice(self._places)
        return self._visitor.get(fill_in(address, place=place, today=self._today), tag=tag)

    def _watch(self, address: str) -> Callable[[], Answer]:
        """Requests for one and the same, each with the tag of the answer before."""
        place, tag = self._chance.choice(self._places), None

        def ask_again() -> Answer:
            nonlocal tag
            answer = self._open(address, place=place, tag=tag)
            tag = answer.tag
            return answer

        return ask_again


def _require(answer: Answer, *, name: str) -> Answer:
    if not answer.is_good:
        text = answer.text[:500].decode(errors="replace")
        raise StackError(f"{name}: status {answer.status}, expected 200: {text}")
    return answer
