"""`python -m tests.bench`: see the package."""

import argparse
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

from rich.console import Console

from compose.local.layout import StackError
from tests.bench.admin import run_admin
from tests.bench.aggregates import run_aggregates
from tests.bench.alone import WARM_TIMES
from tests.bench.batch import RATES as BATCH_RATES
from tests.bench.batch import run_batch
from tests.bench.dashboard import Load, run_dashboard
from tests.bench.drain import Drain, run_drain
from tests.bench.faults import FAULTS, Trial, run_faults
from tests.bench.findings import run_findings
from tests.bench.guard import Beside, run_guard
from tests.bench.hour import run_hour
from tests.bench.latency import RATES, run_latency
from tests.bench.loud import Loud, run_loud
from tests.bench.memory import run_memory
from tests.bench.metrics import run_metrics
from tests.bench.results import Run, as_grid, as_table, write_json
from tests.bench.scale import make_variants, run_scale
from tests.bench.storm import Storm, run_storm
from tests.bench.sustain import run_sustain

Say = Callable[[str], None]

NOT_FIGURES = ("run", "table", "json", "plans")
MAY_BE_ZERO = (
    ("drain", "naive"),
    ("scale", "rows"),
    ("dashboard", "millions"),
    ("dashboard", "warm"),
)


def main(arguments: list[str]) -> int:
    """Run a bench; the exit code."""
    parser = make_parser()
    options = parser.parse_args(arguments)
    given = {name: value for name, value in vars(options).items() if name not in NOT_FIGURES}
    for name, value in given.items():
        smallest = 0 if (options.bench, name) in MAY_BE_ZERO else 1
        for number in value if isinstance(value, list) else [value]:
            is_number = isinstance(number, int | float) and not isinstance(number, bool)
            if is_number and number < smallest:
                parser.error(f"--{name} {number:g}: expected at least {smallest}")
    console = Console(highlight=False, soft_wrap=True)
    runs: list[Run] = []
    try:
        for number in range(1, options.runs + 1):
            with console.status(f"{options.bench}, run {number} of {options.runs}"):
                runs.append(options.run(options, console.print))
            name, figure = next(iter(runs[-1].items()))
            console.print(f"run {number} of {options.runs}: {name}: {figure:,.1f}")
    except StackError as error:
        Console(stderr=True).print(f"error: {error}", markup=False)
        return 1
    console.print(options.table(f"{options.bench}, {len(runs)} runs", runs))
    if options.json is not None:
        write_json(options.json, bench=options.bench, options=given, runs=runs)
    return 0


def make_parser() -> argparse.ArgumentParser:
    """The command line."""
    parser = argparse.ArgumentParser(
        prog="python -m tests.bench",
        description=(
            "Measure the real system on servers and data of its own, on free ports. Exit code 1: "
            "something failed, or the delivery report did not balance after a run."
        ),
    )
    benches = parser.add_subparsers(dest="bench", required=True)
    drain = benches.add_parser(
        "drain", help="a backlog waits in the broker, then bridge and pool start"
    )
    _add_common(drain, _drain, runs=5)
    drain.add_argument("--count", type=int, default=200_000, help="messages; default 200,000")
    drain.add_argument(
        "--naive", type=int, default=3_000, help="messages for the naive way; 0 leaves it out"
    )
    metrics = benches.add_parser("metrics", help="the drain with metrics and without, in turns")
    _add_common(metrics, _metrics, runs=1)
    metrics.add_argument("--count", type=int, default=200_000, help="messages; default 200,000")
    metrics.add_argument("--pairs", type=int, default=6, help="of drains; default 6")
    sustain = benches.add_parser("sustain", help="the highest rate without a growing backlog")
    _add_common(sustain, _sustain, runs=1)
    sustain.add_argument("--seconds", type=float, default=60.0, help="how long; default 60")
    sustain.add_argument(
        "--first-rate", type=float, default=8_000.0, help="where the search begins; default 8,000"
    )
    sustain.add_argument("--rate", type=float, help="confirm this rate instead of a search")
    sustain.add_argument(
        "--broker",
        choices=("crash-safe", "file"),
        default="crash-safe",
        help="how the broker keeps sessions: crash-safe (default), or in its own file",
    )
    latency = benches.add_parser(
        "latency", help="from the publication to the committed row, and CPU time a message"
    )
    _add_common(latency, _latency, runs=3)
    latency.set_defaults(table=as_grid)
    latency.add_argument("--seconds", type=float, default=20.0, help="for each rate; default 20")
    _add_rates(latency, RATES)
    batch = benches.add_parser("batch", help="CPU time of a batch, by process and by stage")
    _add_common(batch, _batch, runs=1)
    batch.set_defaults(table=as_grid)
    batch.add_argument("--seconds", type=float, default=10.0, help="for each flow; default 10")
    _add_rates(batch, BATCH_RATES)
    faults = benches.add_parser(
        "faults", help="PostgreSQL killed for 5 s, bridge and pool killed twice, under load"
    )
    _add_common(faults, _faults, runs=1)
    faults.add_argument(
        "--fault", nargs="+", choices=FAULTS, default=list(FAULTS), help="which; default both"
    )
    faults.add_argument(
        "--count", type=int, default=200_000, help="messages of the backlog; default 200,000"
    )
    faults.add_argument("--rate", type=float, help="messages a second instead of a backlog")
    faults.add_argument(
        "--after", type=float, default=1.0, help="seconds of storing before each kill; default 1"
    )
    faults.add_argument(
        "--without-beat", action="store_true", help="and without the maintenance pool"
    )
    faults.add_argument(
        "--timeout", type=float, default=120.0, help="longest wait for the last; default 120 s"
    )
    loud = benches.add_parser("loud", help="quiet gateways' latency beside one above its limit")
    _add_common(loud, _loud, runs=1)
    loud.add_argument("--quiet", type=int, default=500, help="gateways; default 500")
    loud.add_argument("--rate", type=float, default=500.0, help="of the quiet; default 500")
    loud.add_argument("--loud-rate", type=float, default=2_000.0, help="default 2,000")
    loud.add_argument("--seconds", type=float, default=20.0, help="each time; default 20")
    loud.add_argument("--defaults", action="store_true", help="with the default limits")
    storm = benches.add_parser(
        "storm", help="messages beside clients that connect with the bridge's client id"
    )
    _add_common(storm, _storm, runs=1)
    storm.add_argument("--rate", type=float, default=500.0, help="messages a second; default 500")
    storm.add_argument("--connects", type=float, default=100.0, help="a second; default 100")
    storm.add_argument("--alone", type=float, default=20.0, help="seconds without; default 20")
    storm.add_argument("--seconds", type=float, default=60.0, help="seconds beside; default 60")
    guard = benches.add_parser(
        "guard", help="healthy gateways' latency beside some whose clocks stand at 1970"
    )
    _add_common(guard, _guard, runs=1)
    guard.add_argument("--rate", type=float, default=500.0, help="of the healthy; default 500")
    guard.add_argument("--seconds", type=float, default=20.0, help="each time; default 20")
    guard.add_argument("--wrong", type=int, default=14, help="gateways at 1970; default 14")
    guard.add_argument("--wrong-rate", type=float, default=14.0, help="of those; default 14")
    guard.add_argument(
        "--alone", type=float, default=10.0, help="seconds of those by themselves; default 10"
    )
    guard.add_argument(
        "--right-again", type=float, default=10.0, help="seconds with the right time; default 10"
    )
    scale = benches.add_parser("scale", help="the drain with more of one thing")
    _add_common(scale, _scale, runs=1)
    scale.add_argument("--count", type=int, default=200_000, help="messages; default 200,000")
    scale.add_argument("--drains", type=int, default=3, help="of each variant; default 3")
    scale.add_argument("--workers", type=int, nargs="*", default=[1, 3, 4], help="children")
    scale.add_argument("--bridges", type=int, nargs="*", default=[2])
    scale.add_argument("--rows", type=int, nargs="*", default=[10, 100], help="millions that stand")
    scale.add_argument("--registered", type=int, nargs="*", default=[1_000, 100_000])
    scale.add_argument("--speaking", type=int, nargs="*", default=[1_000, 100_000])
    memory = benches.add_parser("memory", help="resident memory through a long run")
    _add_common(memory, _memory, runs=1)
    memory.add_argument("--count", type=int, default=5_000_000, help="messages; default 5,000,000")
    memory.add_argument("--rate", type=float, default=8_000.0, help="messages a second")
    aggregates = benches.add_parser(
        "aggregates", help="refresh after late readings, and the queries of pages"
    )
    _add_common(aggregates, _aggregates, runs=1)
    aggregates.add_argument("--millions", type=int, default=100, help="readings; default 100")
    aggregates.add_argument("--plans", type=Path, metavar="FILE", help="write the queries' plans")
    hour = benches.add_parser("hour", help="refreshes of an hour that fills up")
    _add_common(hour, _hour, runs=1)
    hour.add_argument("--millions", type=int, default=54, help="readings; default 54")
    findings = benches.add_parser(
        "findings", help="faults among readings of many devices: which are found, by kind"
    )
    _add_common(findings, _findings, runs=1)
    findings.add_argument("--devices", type=int, default=100, help="default 100")
    findings.add_argument("--days", type=int, default=90, help="default 90")
    findings.add_argument("--each", type=int, default=25, help="faults of each kind; default 25")
    findings.add_argument("--seed", type=int, default=1, help="default 1")
    admin = benches.add_parser("admin", help="pages of the admin beside many dead letters")
    _add_common(admin, _admin, runs=1)
    admin.add_argument("--gateways", type=int, default=100_000, help="default 100,000")
    admin.add_argument("--dead-letters", type=int, default=1_000_000, help="default 1,000,000")
    admin.add_argument("--times", type=int, default=5, help="of each page, after one; default 5")
    dashboard = benches.add_parser(
        "dashboard", help="pages and API beside many readings, and while messages arrive"
    )
    _add_common(dashboard, _dashboard, runs=1)
    dashboard.add_argument("--millions", type=int, default=0, help="readings that stand; default 0")
    dashboard.add_argument(
        "--aggregates", action="store_true", help="measure the aggregates before, on the same data"
    )
    dashboard.add_argument("--times", type=int, default=50, help="of each address; default 50")
    dashboard.add_argument(
        "--warm", type=int, default=WARM_TIMES, help="of each before; default %(default)s"
    )
    dashboard.add_argument("--rate", type=float, default=5_000.0, help="messages a second")
    dashboard.add_argument("--seconds", type=float, default=60.0, help="of each flow; default 60")
    dashboard.add_argument("--members", type=int, default=50, help="who look on; default 50")
    return parser


def _add_common(
    parser: argparse.ArgumentParser, run: Callable[[argparse.Namespace, Say], Run], *, runs: int
) -> None:
    parser.set_defaults(run=run, table=as_table)
    parser.add_argument(
        "--runs", type=int, default=runs, help=f"medians are of so many; default {runs}"
    )
    parser.add_argument(
        "--concurrency", type=int, default=2, help="children of the pool; default 2"
    )
    parser.add_argument("--json", type=Path, metavar="FILE", help="write all figures there")


def _add_rates(parser: argparse.ArgumentParser, rates: Sequence[float]) -> None:
    parser.add_argument(
        "--rates",
        type=float,
        nargs="+",
        default=list(rates),
        help=f"messages a second; default {' '.join(f'{rate:g}' for rate in rates)}",
    )


def _drain(options: argparse.Namespace, _: Say) -> Run:
    plan = Drain(count=options.count, concurrency=options.concurrency, has_floor=True)
    return run_drain(plan, naive=options.naive)


def _metrics(options: argparse.Namespace, say: Say) -> Run:
    plan = Drain(count=options.count, concurrency=options.concurrency)
    return run_metrics(plan, pairs=options.pairs, say=say)


def _sustain(options: argparse.Namespace, say: Say) -> Run:
    return run_sustain(
        seconds=options.seconds,
        first_rate=options.rate or options.first_rate,
        is_search=options.rate is None,
        concurrency=options.concurrency,
        is_crash_safe=options.broker == "crash-safe",
        say=say,
    )


def _latency(options: argparse.Namespace, _: Say) -> Run:
    return run_latency(
        rates=options.rates, seconds=options.seconds, concurrency=options.concurrency
    )


def _batch(options: argparse.Namespace, say: Say) -> Run:
    return run_batch(
        rates=options.rates, seconds=options.seconds, concurrency=options.concurrency, say=say
    )


def _faults(options: argparse.Namespace, say: Say) -> Run:
    trial = Trial(
        count=options.count,
        rate=options.rate,
        after_s=options.after,
        has_beat=not options.without_beat,
        timeout_s=options.timeout,
        concurrency=options.concurrency,
    )
    return run_faults(trial, faults=options.fault, say=say)


def _loud(options: argparse.Namespace, _: Say) -> Run:
    load = Loud(options.quiet, options.rate, options.loud_rate, options.seconds, options.defaults)
    return run_loud(load, concurrency=options.concurrency)


def _storm(options: argparse.Namespace, _: Say) -> Run:
    load = Storm(options.rate, options.connects, options.alone, options.seconds)
    return run_storm(load, concurrency=options.concurrency)


def _guard(options: argparse.Namespace, _: Say) -> Run:
    load = Beside(
        rate=options.rate,
        seconds=options.seconds,
        wrong=options.wrong,
        wrong_rate=options.wrong_rate,
        alone=options.alone,
        right_again=options.right_again,
    )
    return run_guard(load, concurrency=options.concurrency)


def _scale(options: argparse.Namespace, say: Say) -> Run:
    base = Drain(count=options.count, concurrency=options.concurrency)
    variants = make_variants(
        base,
        workers=options.workers,
        bridges=options.bridges,
        rows=options.rows,
        registered=options.registered,
        speaking=options.speaking,
    )
    return run_scale(base, variants, drains=options.drains, say=say)


def _memory(options: argparse.Namespace, _: Say) -> Run:
    return run_memory(count=options.count, rate=options.rate, concurrency=options.concurrency)


def _aggregates(options: argparse.Namespace, say: Say) -> Run:
    return run_aggregates(millions=options.millions, plans=options.plans, say=say)


def _hour(options: argparse.Namespace, say: Say) -> Run:
    return run_hour(millions=options.millions, say=say)


def _findings(options: argparse.Namespace, say: Say) -> Run:
    return run_findings(
        devices=options.devices,
        days=options.days,
        of_each_kind=options.each,
        seed=options.seed,
        say=say,
    )


def _admin(options: argparse.Namespace, say: Say) -> Run:
    return run_admin(
        gateways=options.gateways, dead_letters=options.dead_letters, times=options.times, say=say
    )


def _dashboard(options: argparse.Namespace, say: Say) -> Run:
    return run_dashboard(
        millions=options.millions,
        late=options.aggregates,
        times=options.times,
        warm=options.warm,
        load=Load(options.rate, options.seconds, options.members),
        concurrency=options.concurrency,
        say=say,
    )


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
