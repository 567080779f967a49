"""The figures of a bench: medians, a table, and JSON with the machine and the commit."""

import json
import platform
import statistics
import subprocess
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import psutil
from rich.table import Table

from compose.local.layout import REPOSITORY

Run = dict[str, float]


def as_table(title: str, runs: list[Run]) -> Table:
    """Median, minimum and maximum of every figure."""
    table = Table(title=title, title_justify="left")
    for name in ("", "median", "minimum", "maximum"):
        table.add_column(name, justify="left" if not name else "right")
    for name in runs[0]:
        values = [run[name] for run in runs if name in run]
        shown = (statistics.median(values), min(values), max(values))
        table.add_row(name, *(f"{value:,.1f}" for value in shown))
    return table


def as_grid(title: str, runs: list[Run]) -> Table:
    """Medians of figures that are named `<rate> a second, <figure>`: a column for each rate."""
    rows: dict[str, dict[str, str]] = {}
    rates: dict[str, None] = {}
    for name in runs[0]:
        rate, _, figure = name.partition(" a second, ")
        rates[rate] = None
        value = statistics.median(run[name] for run in runs if name in run)
        rows.setdefault(figure, {})[rate] = f"{value:,.0f}" if value >= 100 else f"{value:,.2f}"
    table = Table(title=f"{title}: medians at so many messages a second", title_justify="left")
    table.add_column("")
    for rate in rates:
        table.add_column(f"{float(rate):,.0f}", justify="right", no_wrap=True)
    for figure, row in rows.items():
        table.add_row(figure, *(row.get(rate, "") for rate in rates))
    return table


def percentiles(values: Sequence[float]) -> Run:
    """The median and the 95th percentile, `p50` and `p95`."""
    found = sorted(values)
    return {f"p{point}": found[len(found) * point // 100] for point in (50, 95)}


def write_json(path: Path, *, bench: str, options: dict[str, Any], runs: list[Run]) -> None:
    """Write every run, so that a later change can be compared."""
    medians = {
        name: statistics.median(run[name] for run in runs if name in run) for name in runs[0]
    }
    content = {
        "bench": bench,
        "at": datetime.now(UTC).isoformat(timespec="seconds"),
        "commit": read_commit(),
        "machine": describe_machine(),
        "options": options,
        "median": medians,
        "runs": runs,
    }
    path.write_text(json.dumps(content, indent=2) + "\n", encoding="utf-8")


def read_commit() -> str:
    """The commit that is measured, with `+` when files were changed; empty outside a checkout."""
    try:
        commit = _git("rev-parse", "--short", "HEAD")
        return commit + ("+" if _git("status", "--porcelain", "--untracked-files=no") else "")
    except (OSError, subprocess.CalledProcessError):
        return ""


def describe_machine() -> dict[str, Any]:
    """What the figures depend on."""
    model = ""
    for line in Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines():
        if line.startswith("model name"):
            model = line.partition(":")[2].strip()
            break
    return {
        "processor": model or platform.machine(),
        "cores": psutil.cpu_count(),
        "memory_gb": round(psutil.virtual_memory().total / 1e9, 1),
        "system": f"{platform.system()} {platform.release()}",
        "python": platform.python_version(),
    }


def _git(*arguments: str) -> str:
    done = subprocess.run(
        ["git", *arguments], cwd=REPOSITORY, check=True, capture_output=True, text=True
    )
    return done.stdout.strip()
