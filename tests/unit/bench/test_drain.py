"""The arithmetic of the drain's figures."""

import pytest

from compose.bench.drain import cost_by_message


def test_it_charges_each_process_for_what_it_spent_on_the_messages() -> None:
    costs = cost_by_message(
        before={"redis": 1.0, "bridge": 0.5}, after={"redis": 1.2, "bridge": 1.5}, count=100_000
    )
    assert costs == {
        "redis, us": pytest.approx(2.0),
        "bridge, us": pytest.approx(10.0),
        "all, us": pytest.approx(12.0),
    }
