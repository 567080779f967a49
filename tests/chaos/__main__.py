"""`python -m tests.chaos`: see the package."""

import argparse
import random
import sys
import tempfile
from pathlib import Path

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from compose.local.layout import StackError
from tests.chaos.cause import Cause
from tests.chaos.check import find_wrong_at_the_end
from tests.chaos.corruption import list_corruptions
from tests.chaos.faults import list_causes
from tests.chaos.fleets import hurry_requeue, register_fleets
from tests.chaos.lost import Damage
from tests.chaos.parallel import run_side_by_side
from tests.chaos.report import as_table, describe, write_json
from tests.chaos.result import Load, Result
from tests.chaos.run import run_schedule, set_up_django, wait_until_healthy
from tests.chaos.schedule import Schedule, make_schedules
from tests.chaos.stack import ChaosStack

FAULTS = 4
LONG_RUN = 10
GOOD = {
    False: "nothing lost, nothing twice, difference 0",
    True: "nothing twice, all that is missing is accounted for",
}


def make_parser() -> argparse.ArgumentParser:
    """The command line."""
    parser = argparse.ArgumentParser(
        prog="python -m tests.chaos",
        description=(
            "Start a stack of its own on free ports, publish with a real MQTT fleet, let faults "
            "hit every part, and check that every acknowledged message is stored once or "
            "dead-lettered. Exit code 1: something was lost, doubled, changed or did not recover."
        ),
    )
    parser.add_argument("--schedules", type=int, default=10, metavar="N", help="default 10")
    parser.add_argument(
        "--seed", type=int, metavar="S", help="decides kinds, instants and values; default: any"
    )
    parser.add_argument(
        "--first", type=int, default=1, metavar="N", help="begin with this schedule of the seed"
    )
    parser.add_argument(
        "--faults",
        type=int,
        default=FAULTS,
        metavar="N",
        help=f"faults in a schedule; default {FAULTS}",
    )
    parser.add_argument(
        "--seconds", type=float, default=5, metavar="S", help="load of a schedule; default 5"
    )
    parser.add_argument(
        "--rate", type=float, default=800, metavar="R", help="messages a second; default 800"
    )
    parser.add_argument(
        "--stacks",
        type=int,
        metavar="N",
        help=f"stacks side by side; default 2, and 1 below {LONG_RUN} schedules",
    )
    parser.add_argument(
        "--only",
        metavar="TEXT",
        default="",
        help="only kinds of fault whose name holds this, or one of several with commas between",
    )
    parser.add_argument(
        "--corrupt",
        action="store_true",
        help="damage files of Redis and the broker instead: see tests/chaos/README.md",
    )
    parser.add_argument("--json", type=Path, metavar="FILE", help="write all figures there")
    parser.add_argument("--logs", type=Path, metavar="FOLDER", help="keep the processes' logs")
    parser.add_argument("--list", action="store_true", help="list the kinds of fault and end")
    return parser


def main(arguments: list[str]) -> int:
    """Run the schedules; the exit code."""
    parser = make_parser()
    options = parser.parse_args(arguments)
    known = list_corruptions() if options.corrupt else list_causes()
    parts = options.only.split(",")
    causes = {name: cause for name, cause in known.items() if any(part in name for part in parts)}
    console = Console(highlight=False, soft_wrap=True)
    if options.list:
        for name in causes:
            console.print(name)
        return 0
    if not causes:
        parser.error(f"--only {options.only!r}: no kind of fault holds this; see --list")
    if options.stacks is None:
        options.stacks = 2 if options.schedules >= LONG_RUN else 1
    for name in ("schedules", "first", "faults", "seconds", "rate", "stacks"):
        if getattr(options, name) <= 0:
            parser.error(f"--{name} {getattr(options, name)}: expected more than 0")
    seed = random.SystemRandom().getrandbits(31) if options.seed is None else options.seed
    schedules = make_schedules(
        tuple(cause.kind for cause in causes.values()),
        seed=seed,
        count=options.first + options.schedules - 1,
        faults=min(options.faults, len({cause.kind.target for cause in causes.values()})),
        load_s=options.seconds,
    )[options.first - 1 :]
    load = Load(options.seconds, options.rate)
    console.print(f"seed {seed}")
    with tempfile.TemporaryDirectory(prefix="chaos-") as folder:
        logs = options.logs or Path(folder)
        logs.mkdir(parents=True, exist_ok=True)
        try:
            if options.stacks > 1:
                results = run_side_by_side(
                    schedules,
                    stacks=options.stacks,
                    arguments=[
                        *("--seed", str(seed), "--faults", str(options.faults)),
                        *("--seconds", str(options.seconds), "--rate", str(options.rate)),
                        *("--only", options.only),
                        *(["--corrupt"] if options.corrupt else []),
                    ],
                    logs=logs,
                    say=lambda text: console.print(text, markup=False),
                )
            else:
                results = run_all(schedules, causes=causes, load=load, logs=logs, console=console)
        except StackError as error:
            Console(stderr=True).print(f"error: {error}", markup=False)
            return error.exit_code
    console.print(as_table(results))
    if options.json is not None:
        write_json(options.json, results, seed=seed, load=load, faults=options.faults)
    bad = [str(result.number) for result in results if result.problems]
    acknowledged = sum(result.acknowledged for result in results)
    console.print(
        f"seed {seed}: {acknowledged:,} acknowledged messages in {len(results)} schedules; "
        + (f"problems in {', '.join(bad)}" if bad else GOOD[options.corrupt])
    )
    if bad:
        console.print(f"again: python -m tests.chaos --seed {seed} --first {bad[0]} --schedules 1")
    return 1 if bad or len(results) < len(schedules) else 0


def run_all(
    schedules: list[Schedule],
    *,
    causes: dict[str, Cause],
    load: Load,
    logs: Path,
    console: Console,
) -> list[Result]:
    """Run them one after the other on one stack; Ctrl-C ends with what is there."""
    results: list[Result] = []
    wanted = {fault.kind.name for schedule in schedules for fault in schedule.faults}
    prepares = [cause.prepare for name, cause in causes.items() if name in wanted and cause.prepare]
    stack = ChaosStack(logs, prepares=prepares)
    stack.damage = Damage() if wanted <= set(list_corruptions()) else None
    with Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        console=console,
        disable=not console.is_terminal,
    ) as progress:
        task = progress.add_task("starting", total=len(schedules))

        def say(text: str) -> None:
            progress.update(task, description=text)

        try:
            stack.start(say=say)
            set_up_django(stack.environ)
            stack.fleets = register_fleets([schedule.number for schedule in schedules])
            hurry_requeue()
            stack.begin()
            say("waiting for the processes")
            if problems := wait_until_healthy(stack):
                raise StackError("; ".join(problems))
            for schedule in schedules:
                results.append(run_schedule(stack, schedule, causes=causes, load=load, say=say))
                progress.advance(task)
                console.print(describe(results[-1]), markup=False)
            say("checking everything again")
            for problem in find_wrong_at_the_end(stack.environ["DATABASE_URL"]):
                results[-1].problems.append(f"at the end: {problem}")
                console.print(results[-1].problems[-1], markup=False)
        except KeyboardInterrupt:
            console.print("stopped")
        finally:
            say("stopping")
            stack.stop()
    return results


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
