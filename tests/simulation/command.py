"""Run many schedules on some processes, or find the planted faults."""

import argparse
import gc
import time
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from tests.simulation.faked import faked_modules
from tests.simulation.plant import Wiring
from tests.simulation.planted import FAULTS, find, planted
from tests.simulation.run import Outcome, run, shrink

SHARE = 250  # schedules that a process runs between two reports
PLANTED_SEEDS = 20_000

console = Console(soft_wrap=True)


def run_share(seeds: range) -> tuple[int, Outcome | None]:
    """Run some schedules up to the first that fails; how many were run."""
    gc.disable()  # it takes a fifth of the time, and a share leaves a few megabytes
    try:
        return _run_share(seeds)
    finally:
        gc.enable()


def _run_share(seeds: range) -> tuple[int, Outcome | None]:
    with faked_modules():
        wiring = Wiring()
        for count, seed in enumerate(seeds, 1):
            outcome = run(seed, wiring)
            if outcome.violation:
                return count, outcome
    return len(seeds), None


def simulate(*, schedules: int, seed: int, jobs: int) -> int:
    """Run schedules on some processes; 1 when one fails."""
    shares = (
        range(first, min(first + SHARE, seed + schedules))
        for first in range(seed, seed + schedules, SHARE)
    )
    columns = (TextColumn("schedules"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    started_s, done, failed = time.perf_counter(), 0, None
    with (
        Progress(*columns, console=console) as progress,
        ProcessPoolExecutor(jobs, mp_context=get_context("forkserver")) as pool,
    ):
        task = progress.add_task("", total=schedules)
        for count, failed in run_shares(pool, shares, jobs=jobs):
            done += count
            progress.update(task, completed=done)
            if failed is not None:
                pool.shutdown(cancel_futures=True)
                break
    took_s = time.perf_counter() - started_s
    console.print(f"{done:,} schedules in {took_s:.1f} s: {done / took_s:,.0f} a second")
    if failed is None:
        console.print("no violation")
        return 0
    show(failed)
    return 1


def run_shares(
    pool: ProcessPoolExecutor, shares: Iterator[range], *, jobs: int
) -> Iterator[tuple[int, Outcome | None]]:
    """Keep the processes busy, and no more work waiting than they need."""
    waiting = [
        pool.submit(run_share, share) for _, share in zip(range(2 * jobs), shares, strict=False)
    ]
    while waiting:
        yield waiting.pop(0).result()
        share = next(shares, None)
        if share is not None:
            waiting.append(pool.submit(run_share, share))


def show(failed: Outcome) -> None:
    """The failing schedule, with as few events as show the fault."""
    with faked_modules():
        least = shrink(failed, Wiring())
    console.print(f"[bold red]seed {failed.seed} fails[/]: {least.violation}", highlight=False)
    console.print(f"{len(failed.events)} events, {len(least.events)} when shrunk:")
    for event in least.events:
        console.print(f"  {event}", markup=False, highlight=False)
    for line in least.trace:
        console.print(line, markup=False, highlight=False)
    console.print(f"again: python -m tests.simulation --schedules 1 --seed {failed.seed} --jobs 1")


def find_planted(number: int) -> tuple[Outcome | None, Outcome | None, float]:
    """Find one planted fault: the run that shows it, the same when shrunk, and seconds to find."""
    started_s = time.perf_counter()
    with faked_modules():
        found = find(FAULTS[number], seeds=range(PLANTED_SEEDS))
        took_s = time.perf_counter() - started_s
        if found is None:
            return None, None, took_s
        with planted(FAULTS[number]) as wiring:
            return found, shrink(found, wiring), took_s


def show_planted(*, jobs: int) -> int:
    """Find every planted fault; 1 when one is not found."""
    missed = 0
    console.print("  seed  seconds  events  shrunk  trace  planted fault: shows as")
    with ProcessPoolExecutor(jobs, mp_context=get_context("forkserver")) as pool:
        for fault, found in zip(FAULTS, pool.map(find_planted, range(len(FAULTS))), strict=True):
            first, least, took_s = found
            if first is None or least is None:
                missed += 1
                text = f"[bold red]not found in {PLANTED_SEEDS} schedules[/]: {fault.name}"
            else:
                text = (
                    f"{first.seed:6} {took_s:8.1f} {len(first.events):7} {len(least.events):7} "
                    f"{len(least.trace):6}  {fault.name}: {least.violation[:80]}"
                )
            console.print(text, highlight=False)
    console.print(f"{len(FAULTS) - missed} of {len(FAULTS)} planted faults found")
    return int(missed > 0)


def main() -> int:
    """Parse and run."""
    parser = argparse.ArgumentParser(prog="python -m tests.simulation", description=__doc__)
    parser.add_argument("--schedules", type=int, default=20_000, help="how many (20000)")
    parser.add_argument("--seed", type=int, default=0, help="the first one's seed (0)")
    parser.add_argument("--jobs", type=int, default=2, help="processes (2)")
    parser.add_argument("--planted", action="store_true", help="find the planted faults instead")
    options = parser.parse_args()
    if options.planted:
        return show_planted(jobs=options.jobs)
    return simulate(schedules=options.schedules, seed=options.seed, jobs=options.jobs)
