"""Several stacks side by side, each with its share of the schedules, which mostly wait."""

import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path

from compose.local.layout import REPOSITORY
from tests.chaos.report import read_results
from tests.chaos.result import Result
from tests.chaos.schedule import Schedule


def run_side_by_side(
    schedules: list[Schedule],
    *,
    stacks: int,
    arguments: list[str],
    logs: Path,
    say: Callable[[str], None],
) -> list[Result]:
    """Run `chaos` once for each stack with the same `arguments`; every result. Ctrl-C reaches all,
    as they are of one process group."""
    size = -(-len(schedules) // stacks)
    shares = [schedules[at : at + size] for at in range(0, len(schedules), size)]
    reports = [logs / f"stack-{number}.json" for number in range(1, len(shares) + 1)]
    threads = []
    for number, (share, report) in enumerate(zip(shares, reports, strict=True), 1):
        argv = [sys.executable, "-m", "tests.chaos", *arguments, "--stacks", "1"]
        argv += ["--first", str(share[0].number), "--schedules", str(len(share))]
        argv += ["--json", str(report), "--logs", str(logs / f"stack-{number}")]
        process = subprocess.Popen(
            argv, cwd=REPOSITORY, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
        )
        threads.append(threading.Thread(target=_pass_on, args=(process, number, say)))
        threads[-1].start()
    try:
        for thread in threads:
            thread.join()
    except KeyboardInterrupt:
        for thread in threads:
            thread.join()
    found = [one for report in reports if report.exists() for one in read_results(report)]
    return sorted(found, key=lambda result: result.number)


def _pass_on(process: "subprocess.Popen[str]", number: int, say: Callable[[str], None]) -> None:
    """The lines of the schedules, and what went wrong; the table is made of all."""
    for line in process.stdout or ():
        if line.startswith(("schedule ", "at the end", "error", "stopped")):
            say(f"stack {number}, {line.rstrip()}")
    process.wait()
