"""Which small changes of the code no test notices: `python -m tests.mutation [FILE ...]`."""

import argparse
import multiprocessing
import sys
import time

from tests.mutation.kill import TARGETS, is_killed, warm_up
from tests.mutation.mutants import list_mutants

WANTED_PERCENT = 90


def work(
    share: int, shares: int, paths: list[str], results: "multiprocessing.Queue[object]"
) -> None:
    """Kill every n-th mutant; report each."""
    mutants = [mutant for path in paths for mutant in list_mutants(path)]
    for mutant in mutants[share::shares]:
        results.put((*mutant[:5], is_killed(mutant)))
    results.put(None)


def main() -> int:
    """0 when enough mutants are killed."""
    parser = argparse.ArgumentParser(prog="python -m tests.mutation", description=__doc__)
    parser.add_argument("paths", nargs="*", default=list(TARGETS), help="files; default: all")
    parser.add_argument("--jobs", type=int, default=2, help="processes (2)")
    options = parser.parse_args()
    started_s = time.perf_counter()
    warm_up()
    context = multiprocessing.get_context("fork")
    results: multiprocessing.Queue[object] = context.Queue()
    for share in range(options.jobs):
        context.Process(
            target=work, args=(share, options.jobs, options.paths, results), daemon=True
        ).start()
    counts: dict[str, list[int]] = {}
    ended = 0
    while ended < options.jobs:
        result = results.get()
        if not isinstance(result, tuple):
            ended += 1
            continue
        path, line, function, before, after, was_killed = result
        count = counts.setdefault(path, [0, 0])
        count[0] += was_killed
        count[1] += 1
        if not was_killed:
            print(f"{path}:{line} {function}\n  - {before}\n  + {after}", flush=True)  # noqa: T201
    return report(counts, took_s=time.perf_counter() - started_s)


def report(counts: dict[str, list[int]], *, took_s: float) -> int:
    """Print the score of each file and of all."""
    for path, (killed, count) in sorted(counts.items()):
        print(f"{killed:4} of {count:4} killed ({100 * killed / count:3.0f}%)  {path}")  # noqa: T201
    killed, count = (sum(pair[at] for pair in counts.values()) for at in (0, 1))
    score = 100 * killed / count if count else 100.0
    print(f"{killed} of {count} mutants killed: {score:.1f}%, in {took_s:.0f} s")  # noqa: T201
    return int(score < WANTED_PERCENT)


if __name__ == "__main__":
    sys.exit(main())
