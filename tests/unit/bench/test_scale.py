"""The command `bench scale` without servers: what is drained how often, and every figure of it."""

import json
from pathlib import Path

import pytest

from tests.bench import scale
from tests.bench.__main__ import main
from tests.bench.drain import Drain
from tests.bench.results import Run

VARIANTS = (
    "4 workers",
    "2 bridges",
    "3 million rows",
    "60 gateways registered",
    "1,000 gateways speaking",
)


def test_it_holds_the_median_of_every_variant_against_the_base_before_and_after(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    drained: list[Drain] = []

    def drain_repeatedly(plan: Drain, *, times: int) -> list[Run]:
        assert times == 3
        drained.append(plan)
        rate = 100.0 * len(drained)
        return [
            {"from the first batch on": each, "all, us": each / 10} for each in (rate, 9e9, 0.0)
        ]

    monkeypatch.setattr(scale, "drain_repeatedly", drain_repeatedly)
    report = tmp_path / "report.json"
    numbers = ("--workers", "4", "--bridges", "2", "--rows", "3", "--registered", "60")
    done = main(["scale", "--count", "2000", *numbers, "--speaking", "1000", "--json", str(report)])
    assert done == 0
    [run] = json.loads(report.read_text(encoding="utf-8"))["runs"]
    base, workers, bridges, rows, registered, speaking, again = drained
    assert base == again == Drain(count=2000)
    assert (workers.concurrency, bridges.bridges, speaking.gateways) == (4, 2, 1000)
    assert (rows.rows_before, rows.prepare is None) == (3_000_000, False)
    assert registered.prepare is not None
    assert run["base, messages a second"] == pytest.approx((100 + 700) / 2)
    assert run["base, us"] == pytest.approx((10 + 70) / 2)
    for number, name in enumerate(VARIANTS, start=2):
        assert run[f"{name}, messages a second"] == pytest.approx(100 * number)
        assert run[f"{name}, us"] == pytest.approx(10 * number)
        assert run[f"{name}, % of base"] == pytest.approx(25 * number)
