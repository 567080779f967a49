"""As many schedules as fit into a minute: nothing is lost, nothing is stored twice, all adds up."""

import pytest

from tests.simulation.command import simulate

pytestmark = pytest.mark.acceptance


def test_it_finds_no_violation_in_20_000_schedules(capsys: pytest.CaptureFixture[str]) -> None:
    status = simulate(schedules=20_000, seed=0, jobs=2)
    assert status == 0, capsys.readouterr().out
