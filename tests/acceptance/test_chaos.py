"""A short run of `make chaos`; the long ones are run by hand and before a release."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests import forks

pytestmark = [pytest.mark.acceptance, pytest.mark.chaos, pytest.mark.usefixtures("cluster")]


FORKED = "import sys; from tests.acceptance.forked import run_chaos; sys.exit(run_chaos())"


def chaos(*arguments: str, is_forked: bool = False) -> subprocess.CompletedProcess[str]:
    """Run the command as a user would, without any setting; on the schema of the test run. Forked
    with all its processes, which take less to start."""
    names = ("PATH", "HOME", "TEST_CLUSTER", "TEST_FSYNC")
    environ = {name: os.environ[name] for name in names if name in os.environ}
    if is_forked:
        return forks.run(("-c", FORKED, *arguments), environ, timeout_s=600)
    return subprocess.run(
        [sys.executable, "-m", "tests.chaos", *arguments],
        cwd=forks.ROOT,
        env=environ,
        capture_output=True,
        text=True,
        check=False,
    )


def test_it_loses_nothing_in_a_short_run_and_reports_it(tmp_path: Path) -> None:
    """On two stacks side by side; one after the other is how the damaged files are told."""
    report = tmp_path / "report.json"
    done = chaos(
        *("--schedules", "2", "--stacks", "2", "--seed", "11", "--seconds", "3", "--rate", "400"),
        *("--json", str(report)),
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "nothing lost, nothing twice, difference 0" in done.stdout
    assert "stack 1, schedule 1: " in done.stdout
    assert "stack 2, schedule 2: " in done.stdout
    figures = json.loads(report.read_text(encoding="utf-8"))
    assert figures["seed"] == 11
    assert figures["failed_schedules"] == []
    assert [one["number"] for one in figures["results"]] == [1, 2]
    assert figures["acknowledged"] == 2 * 3 * 400
    assert sum(figures["hits_by_kind"].values()) == 8


def test_it_accounts_for_what_damaged_files_lose(tmp_path: Path) -> None:
    report = tmp_path / "report.json"
    done = chaos(
        *("--corrupt", "--schedules", "2", "--faults", "1", "--seed", "3"),
        *("--seconds", "4", "--rate", "400", "--json", str(report)),
        is_forked=True,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    truncated, flipped = json.loads(report.read_text(encoding="utf-8"))["results"]
    assert "1 batches with" in truncated["seen"][0]
    assert "the broker" in flipped["seen"][-1]


def test_it_says_what_is_wrong_with_its_options() -> None:
    done = chaos("--schedules", "0", is_forked=True)
    assert done.returncode == 2
    assert "--schedules 0: expected more than 0" in done.stderr
    done = chaos("--only", "nonsense", is_forked=True)
    assert "no kind of fault holds this; see --list" in done.stderr
    assert "redis: SIGKILL" in chaos("--list", is_forked=True).stdout.splitlines()
