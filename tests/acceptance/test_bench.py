"""A small run of `manage.py bench`: every figure is there. How large they are, no test says."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from compose.bench.sustain import TRIES
from tests.acceptance.processes import ROOT

pytestmark = [pytest.mark.acceptance, pytest.mark.usefixtures("cluster")]


def bench(*arguments: str) -> subprocess.CompletedProcess[str]:
    """Run the command as a user would, without any setting; on the schema of the test run."""
    names = ("PATH", "HOME", "TEST_CLUSTER", "TEST_FSYNC")
    environ = {name: os.environ[name] for name in names if name in os.environ}
    return subprocess.run(
        [sys.executable, "manage.py", "bench", *arguments],
        cwd=ROOT,
        env=environ,
        capture_output=True,
        text=True,
        check=False,
    )


def test_it_measures_a_drain_beside_its_floor_and_the_naive_way(tmp_path: Path) -> None:
    report = tmp_path / "drain.json"
    done = bench(
        *("drain", "--count", "2000", "--runs", "1", "--naive", "50", "--json", str(report))
    )
    assert done.returncode == 0, done.stdout + done.stderr
    figures = json.loads(report.read_text(encoding="utf-8"))
    assert figures["options"]["count"] == 2000
    assert figures["machine"]["cores"] == os.cpu_count()
    [run] = figures["runs"]
    for name in (
        "messages a second",
        "mosquitto_sub, messages a second",
        "naive, messages a second",
        "mosquitto, us",
        "worker, us",
        "postgres, us",
        "start of bridge and pool, CPU s",
        "bridge, MB",
    ):
        assert run[name] > 0, name
    parts = sum(
        run[f"{part}, us"] for part in ("mosquitto", "redis", "postgres", "bridge", "worker")
    )
    assert run["all, us"] == pytest.approx(parts)


@pytest.mark.parametrize(
    ("arguments", "names"),
    [
        pytest.param(
            ("sustain", "--rate", "300", "--seconds", "4", "--broker", "file"),
            ("messages a second", "bridge, us", "all without the generator, us"),
            id="sustain",
        ),
        pytest.param(
            ("latency", "--runs", "1", "--rates", "50", "--seconds", "3"),
            ("50 a second, p50, ms", "50 a second, p99, ms"),
            id="latency",
        ),
        pytest.param(
            ("guard", "--rate", "100", "--seconds", "4"),
            (
                "alone, p99, ms",
                "beside 14 at 1970, p99, ms",
                "p99 beside, times that alone",
                "messages of 1970, all refused in the end",
            ),
            id="guard",
        ),
        pytest.param(
            ("memory", "--count", "1500", "--rate", "500"),
            ("messages", "bridge, early, MB", "worker, largest child, late, MB"),
            id="memory",
        ),
        pytest.param(
            (
                *("scale", "--count", "2000", "--drains", "2", "--workers", "--bridges"),
                *("--rows", "--registered", "60", "--speaking"),
            ),
            (
                "base, messages a second",
                "60 gateways registered, us",
                "60 gateways registered, % of base",
            ),
            id="scale",
        ),
        pytest.param(
            (
                *("dashboard", "--times", "1", "--rate", "100", "--seconds", "6"),
                *("--members", "3"),
            ),
            (
                "overview, 7 days, p95, ms",
                "API, months of all, p50, ms",
                "alone: stored a second",
                "watched: publication to row, p95, ms",
                "watched: web, % of a core",
                "stored when watched, % of alone",
                "members: live state, p95, ms",
            ),
            id="dashboard",
        ),
    ],
)
def test_it_measures(arguments: tuple[str, ...], names: tuple[str, ...], tmp_path: Path) -> None:
    report = tmp_path / "report.json"
    done = bench(*arguments, "--json", str(report))
    assert done.returncode == 0, done.stdout + done.stderr
    [run] = json.loads(report.read_text(encoding="utf-8"))["runs"]
    if run.get("messages a second") == 0:  # a machine with other work may hold no rate: it says so
        assert done.stdout.count("not held") == TRIES
        return
    for name in names:
        assert run[name] > 0, name
    assert run.get("members: errors", 0) == 0


def test_it_says_what_is_wrong_with_its_options() -> None:
    assert "--count 0: expected at least 1" in bench("drain", "--count", "0").stderr
    names = "{drain,sustain,latency,guard,scale,memory,aggregates,dashboard}"
    assert names in bench("--help").stdout
