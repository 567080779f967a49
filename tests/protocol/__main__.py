"""Walk the model with the product's rules and with each rule broken: `python -m tests.protocol`."""

import sys
import time
from dataclasses import fields

from tests.protocol.check import Walk, begin, walk
from tests.protocol.model import Rules

EXHAUSTIVE = ((3, 2, 0), (2, 3, 0), (2, 2, 1), (3, 1, 2), (2, 1, 3))


def show(title: str, rules: Rules, *, messages: int, workers: int, faults: int) -> Walk:
    """Walk and print what was seen."""
    started_s = time.perf_counter()
    found = walk(rules, begin(messages=messages, workers=workers, faults=faults))
    took_s = time.perf_counter() - started_s
    print(f"{title} ({messages=}, {workers=}, {faults=}, {took_s:.2f} s): {found}", flush=True)  # noqa: T201
    return found


def main() -> int:
    """0 when the rules hold and every broken rule is found."""
    held = [
        show("the rules", Rules(), messages=messages, workers=workers, faults=faults)
        for messages, workers, faults in EXHAUSTIVE
    ]
    broken = [
        show(f"not {field.name}", Rules(**{field.name: False}), messages=2, workers=2, faults=1)
        for field in fields(Rules)
    ]
    return int(any(found.violation for found in held) or not all(f.violation for f in broken))


if __name__ == "__main__":
    sys.exit(main())
