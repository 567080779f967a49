"""The figures of a run: a table by kind of fault, and everything as JSON."""

import json
import statistics
from collections import defaultdict
from dataclasses import asdict
from pathlib import Path

from rich.table import Table

from tests.chaos.result import Hit, Load, Result


def write_json(path: Path, results: list[Result], *, seed: int, load: Load, faults: int) -> None:
    """Write every figure of every schedule."""
    content = {
        "seed": seed,
        "schedules": len(results),
        "faults_per_schedule": faults,
        "load": asdict(load),
        "acknowledged": sum(result.acknowledged for result in results),
        "rows": sum(result.rows for result in results),
        "aggregates": sum(result.aggregates for result in results),
        "dead_letters": sum(result.dead_letters for result in results),
        "failed_schedules": [result.number for result in results if result.problems],
        "hits_by_kind": dict(sorted(count_hits(results).items())),
        "results": [asdict(result) for result in results],
    }
    path.write_text(json.dumps(content, indent=2) + "\n", encoding="utf-8")


def read_results(path: Path) -> list[Result]:
    """The results of a report."""
    content = json.loads(path.read_text(encoding="utf-8"))
    return [
        Result(**{**fields, "hits": [Hit(**hit) for hit in fields["hits"]]})
        for fields in content["results"]
    ]


def count_hits(results: list[Result]) -> dict[str, int]:
    """How often each kind of fault was caused."""
    hits: defaultdict[str, int] = defaultdict(int)
    for result in results:
        for hit in result.hits:
            hits[hit.name] += not hit.problem
    return hits


def as_table(results: list[Result]) -> Table:
    """How often each kind hit, and how long it took from its end until new messages were stored."""
    times: defaultdict[str, list[float]] = defaultdict(list)
    for result in results:
        for hit in result.hits:
            if hit.recovery_s is not None:
                times[hit.name].append(hit.recovery_s)
    table = Table(title="Faults", title_justify="left")
    table.add_column("fault")
    for name in ("hits", "recovery, median s", "longest s"):
        table.add_column(name, justify="right")
    for name, count in sorted(count_hits(results).items()):
        seconds = times[name]
        shown = (
            [f"{statistics.median(seconds):.1f}", f"{max(seconds):.1f}"] if seconds else ["", ""]
        )
        table.add_row(name, str(count), *shown)
    return table


def describe(result: Result) -> str:
    """One line for a schedule."""
    well = "accounted for" if result.seen else "nothing lost, nothing twice, aggregates right"
    findings = "; ".join([*result.seen, *(result.problems or [well])])
    return (
        f"schedule {result.number}: {', '.join(hit.name for hit in result.hits)}: "
        f"{result.acknowledged:,} acknowledged, {result.rows:,} rows, "
        f"{result.aggregates:,} aggregates, {result.changes} changes, "
        f"{result.dead_letters:,} dead letters, {result.seconds:.0f} s: {findings}"
    )
