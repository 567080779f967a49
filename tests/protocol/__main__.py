"""Walk the model with the product's rules and with each rule broken: `python -m tests.protocol`."""

import sys
import time
from dataclasses import fields

from tests.protocol.check import Walk, begin, walk
from tests.protocol.model import Rules, State

EXHAUSTIVE = (
    begin(messages=3, workers=2, faults=0),
    begin(messages=2, workers=3, faults=0),
    begin(messages=2, workers=2, faults=1),
    begin(messages=3, workers=1, faults=2),
    begin(messages=2, workers=1, faults=3),
    begin(messages=3, workers=2, faults=0, has_excess=True),
    begin(messages=2, workers=2, faults=1, has_excess=True),
    begin(messages=3, workers=1, faults=1, has_excess=True),
)
BROKEN = begin(messages=2, workers=2, faults=1)
BROKEN_WITH_EXCESS = BROKEN._replace(has_excess=True)


def show(title: str, rules: Rules, first: State) -> Walk:
    """Walk and print what was seen."""
    started_s = time.perf_counter()
    found = walk(rules, first)
    took_s = time.perf_counter() - started_s
    size = f"messages={first.messages}, workers={len(first.workers)}, faults={first.faults}"
    size += ", excess" if first.has_excess else ""
    print(f"{title} ({size}, {took_s:.2f} s): {found}", flush=True)  # noqa: T201
    return found


def main() -> int:
    """0 when the rules hold and every broken rule is found."""
    held = [show("the rules", Rules(), first) for first in EXHAUSTIVE]
    broken = [
        show(
            f"not {field.name}",
            Rules(**{field.name: False}),
            BROKEN_WITH_EXCESS if "first_part" in field.name else BROKEN,
        )
        for field in fields(Rules)
    ]
    return int(any(found.violation for found in held) or not all(f.violation for f in broken))


if __name__ == "__main__":
    sys.exit(main())
