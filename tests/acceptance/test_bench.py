"""A small run of `make bench`: every figure is there. How large they are, no test says."""

import json
import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from tests import forks
from tests.acceptance.forked import Forked, read_arguments
from tests.bench import __main__ as command
from tests.bench import batch, flow
from tests.bench.drain import Drain, drain_repeatedly
from tests.bench.faults import Trial, try_fault
from tests.bench.rig import Rig
from tests.bench.scale import make_variants
from tests.bench.sustain import TRIES

pytestmark = [pytest.mark.acceptance, pytest.mark.usefixtures("cluster")]


@pytest.fixture(autouse=True)
def _forked(monkeypatch: pytest.MonkeyPatch) -> None:
    def run(rig: Rig, argv: list[str]) -> str:
        done = forks.run(read_arguments(argv, rig.environ), rig.environ, timeout_s=300)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    monkeypatch.setattr("tests.bench.rig.Supervised", Forked)
    monkeypatch.setattr(Rig, "run", run)


def bench(*arguments: str) -> subprocess.CompletedProcess[str]:
    """Run the command as a user would, without any setting."""
    environ = {name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ}
    return forks.run(("-m", "tests.bench", *arguments), environ)


def test_it_measures_a_drain_beside_its_floor_and_the_naive_way(tmp_path: Path) -> None:
    report = tmp_path / "drain.json"
    arguments = ("drain", "--count", "2000", "--runs", "1", "--naive", "50")
    assert command.main([*arguments, "--json", str(report)]) == 0
    figures = json.loads(report.read_text(encoding="utf-8"))
    assert figures["options"]["count"] == 2000
    assert figures["machine"]["cores"] == os.cpu_count()
    [run] = figures["runs"]
    for name in (
        "messages a second",
        "mosquitto_sub, messages a second",
        "naive, messages a second",
        "mosquitto, us",
        "start of bridge and pool, CPU s",
        "bridge, MB",
    ):
        assert run[name] > 0, name
    # Less what a start costs by itself, which varies by more than so few messages cost.
    for name in ("worker, us", "postgres, us"):
        assert run[name] != 0, name
    parts = sum(
        run[f"{part}, us"] for part in ("mosquitto", "redis", "postgres", "bridge", "worker")
    )
    assert run["all, us"] == pytest.approx(parts)


def test_it_measures_flows_at_a_rate(
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    tmp_path: Path,
    subtests: Any,
) -> None:
    """Each command opens a pipeline of its own; here they are given one, which takes as long to
    start as all of them to measure."""
    with flow.open_pipeline(concurrency=2, is_crash_safe=False) as pipeline:

        @contextmanager
        def lend(**_: Any) -> Iterator[flow.Pipeline]:
            yield pipeline

        for arguments, names in FLOWS:
            monkeypatch.setattr(f"tests.bench.{arguments[0]}.open_pipeline", lend)
            report = tmp_path / f"{arguments[0]}.json"
            with subtests.test(arguments[0]):
                assert command.main([*arguments, "--json", str(report)]) == 0
                assert_has_figures(report, names=names, said=capsys.readouterr().out)
        with subtests.test("batch"):
            assert_measures_a_batch(pipeline, tmp_path)
        with subtests.test("faults"):
            assert_survives_a_fault(pipeline)


def assert_measures_a_batch(pipeline: flow.Pipeline, tmp_path: Path) -> None:
    """By process; then by stage, with processes that have clocks in place of the pipeline's."""
    figures = batch.measure_processes(pipeline, rate=200, seconds=1)
    assert all(figures[f"{name}, CPU ms"] > 0 for name in ("bridge", "redis", "worker, children"))
    assert figures["Redis round trips a batch"] > 1
    pipeline.bridge.stop()
    pipeline.worker.stop()
    folder = tmp_path / "timed"
    folder.mkdir()
    batch.put_timed(pipeline, folder, concurrency=1)
    figures = batch.measure_stages(pipeline, folder, rate=200, seconds=1)
    stage = "worker: run the query"
    assert figures[f"{stage}, wall ms"] > figures[f"{stage}, CPU ms"] > 0
    assert figures["PostgreSQL statements a batch"] > 0, "one for several batches"


def assert_survives_a_fault(pipeline: flow.Pipeline) -> None:
    pipeline.bridge.stop()
    pipeline.worker.stop()
    trial = Trial(rate=200.0, after_s=0.1, down_s=0.1, has_beat=False, concurrency=1)
    figures = try_fault(pipeline.rig, trial, fault="postgres", say=print)
    assert figures["messages"] > 0
    assert not any(figures[name] for name in BOOKS)


BOOKS = ("lost, readings", "stored twice, readings", "difference of the delivery report")
FLOWS = (
    (
        ("sustain", "--rate", "300", "--seconds", "3", "--broker", "file"),
        ("messages a second", "bridge, us", "all without the generator, us"),
    ),
    (
        ("latency", "--runs", "1", "--rates", "50", "--seconds", "2"),
        ("50 a second, p50, ms", "50 a second, p99, ms", "50 a second, worker, us"),
    ),
    (
        ("memory", "--count", "1000", "--rate", "500"),
        ("messages", "bridge, early, MB", "worker, largest child, late, MB"),
    ),
)


@pytest.mark.parametrize(
    ("arguments", "names"),
    [
        pytest.param(
            (
                *("guard", "--rate", "100", "--seconds", "2", "--alone", "1"),
                *("--right-again", "3"),
            ),
            (
                "alone, p99, ms",
                "beside 14 at 1970, p99, ms",
                "p99 beside, times that alone",
                "messages of 1970, all rejected in the end",
            ),
            id="guard",
        ),
        pytest.param(
            ("storm", "--rate", "50", "--connects", "100", "--alone", "1", "--seconds", "2"),
            (
                "gateway: refused",
                "dashboard: refused",
                "none: refused",
                "certificate: let in under its own name",
                "counted by the broker",
                "beside 100 connects a second, p99, ms",
            ),
            id="storm",
        ),
        pytest.param(
            (
                *("dashboard", "--times", "1", "--warm", "0", "--rate", "100"),
                *("--seconds", "5", "--members", "3"),
            ),
            (
                "overview, 7 days, p95, ms",
                "API, months of all, p50, ms",
                "alone: stored a second",
                "watched: publication to row, p95, ms",
                "watched: web, % of a core",
                "stored when watched, % of alone",
                "members: all, p95, ms",
            ),
            id="dashboard",
        ),
    ],
)
def test_it_measures(
    arguments: tuple[str, ...],
    names: tuple[str, ...],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    report = tmp_path / "report.json"
    assert command.main([*arguments, "--json", str(report)]) == 0
    assert_has_figures(report, names=names, said=capsys.readouterr().out)


def assert_has_figures(report: Path, *, names: tuple[str, ...], said: str) -> None:
    [run] = json.loads(report.read_text(encoding="utf-8"))["runs"]
    if run.get("messages a second") == 0:  # a machine with other work may hold no rate: it says so
        assert said.count("not held") == TRIES
        return
    for name in names:
        assert run[name] > 0, name
    assert run.get("members: errors", 0) == 0


def test_it_drains_a_variant_of_scale_again_and_again_on_servers_prepared_once() -> None:
    variants = make_variants(
        Drain(count=1_000), workers=[], bridges=[], rows=[], registered=[60], speaking=[]
    )
    found = drain_repeatedly(variants["60 gateways registered"], times=2)
    assert len(found) == 2
    for each in found:
        for name in ("from the first batch on", "mosquitto, us", "redis, us", "postgres, us"):
            assert each[name] > 0, name


def test_it_says_what_is_wrong_with_its_options() -> None:
    assert "--count 0: expected at least 1" in bench("drain", "--count", "0").stderr
    names = "drain,metrics,sustain,latency,batch,faults,loud,storm,guard,scale,memory,aggregates"
    assert f"{{{names},hour,findings,admin,dashboard}}" in bench("--help").stdout
