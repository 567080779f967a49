"""`manage.py bench`: see the package."""

import argparse
import sys
from pathlib import Path

from rich.console import Console

from compose.bench.drain import run_drain
from compose.bench.results import Run, as_table, write_json
from compose.local.layout import StackError


def make_parser() -> argparse.ArgumentParser:
    """The command line."""
    parser = argparse.ArgumentParser(
        prog="manage.py bench",
        description=(
            "Measure the real system on servers and data of its own, on free ports. Exit code 1: "
            "something failed, or the delivery report did not balance after a run."
        ),
    )
    benches = parser.add_subparsers(dest="bench", required=True)
    drain = benches.add_parser(
        "drain", help="a backlog waits in the broker, then bridge and pool start"
    )
    drain.add_argument("--count", type=int, default=200_000, help="messages; default 200,000")
    drain.add_argument("--runs", type=int, default=5, help="medians are of so many; default 5")
    drain.add_argument("--concurrency", type=int, default=2, help="children of the pool; default 2")
    drain.add_argument(
        "--naive", type=int, default=3_000, help="messages for the naive way; 0 leaves it out"
    )
    drain.add_argument("--json", type=Path, metavar="FILE", help="write all figures there")
    return parser


def main(arguments: list[str]) -> int:
    """Run a bench; the exit code."""
    parser = make_parser()
    options = parser.parse_args(arguments)
    for name in ("count", "runs", "concurrency"):
        if getattr(options, name) < 1:
            parser.error(f"--{name} {getattr(options, name)}: expected at least 1")
    console = Console(highlight=False, soft_wrap=True)
    runs: list[Run] = []
    try:
        for number in range(1, options.runs + 1):
            with console.status(f"run {number} of {options.runs}"):
                runs.append(
                    run_drain(
                        count=options.count, concurrency=options.concurrency, naive=options.naive
                    )
                )
            rate = runs[-1]["messages a second"]
            console.print(f"run {number} of {options.runs}: {rate:,.0f} messages a second")
    except StackError as error:
        Console(stderr=True).print(f"error: {error}", markup=False)
        return 1
    console.print(as_table(f"Drain of {options.count:,} messages, {len(runs)} runs", runs))
    if options.json is not None:
        given = {name: getattr(options, name) for name in ("count", "concurrency", "naive")}
        write_json(options.json, bench="drain", options=given, runs=runs)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
