"""The arithmetic of the drain's figures."""

import os
import time

import pytest

from tests.bench.drain import cost_by_message
from tests.bench.rig import tree_seconds


def test_it_charges_each_process_for_what_it_spent_on_the_messages() -> None:
    costs = cost_by_message(
        before={"redis": 1.0, "bridge": 0.5}, after={"redis": 1.2, "bridge": 1.5}, count=100_000
    )
    assert costs == {
        "redis, us": pytest.approx(2.0),
        "bridge, us": pytest.approx(10.0),
        "all, us": pytest.approx(12.0),
    }


def test_it_counts_cpu_time_that_is_shorter_than_a_tick_of_the_kernel() -> None:
    before_s, started_s = tree_seconds(os.getpid()), time.process_time()
    while time.process_time() < started_s + 0.002:
        pass
    spent_s = tree_seconds(os.getpid()) - before_s
    assert spent_s >= 0.002
    ticks = spent_s * os.sysconf("SC_CLK_TCK")
    assert abs(ticks - round(ticks)) > 1e-6  # finer than whole ticks
