"""The clocks at the stages of a batch."""

import functools
import time
from pathlib import Path

import pytest

from compose.local.layout import StackError
from tests.bench.batch import count_statements
from tests.bench.timed import STAGES, Clock, find_call, read_spent


def test_every_stage_is_a_function_of_the_product() -> None:
    for stage in STAGES:
        for name in stage.calls:
            place, last = find_call(name)
            assert callable(getattr(place, last))


def test_a_function_that_is_gone_is_named() -> None:
    with pytest.raises(StackError, match=r"workers\.runner:BatchRunner\.gone"):
        find_call("workers.runner:BatchRunner.gone")


def test_a_stage_is_charged_without_the_stages_that_it_calls(tmp_path: Path) -> None:
    clock = Clock(tmp_path)
    slept = functools.partial(time.sleep, 0.01)
    inner = clock.wrap(1, functools.partial(time.sleep, 0.3))
    outer = clock.wrap(0, lambda: (slept(), inner(), inner()))
    before = read_spent(tmp_path)
    outer()
    spent = list(read_spent(tmp_path).values())[:3]
    assert [each.calls for each in spent] == [1, 2, 0]
    assert spent[1].wall_s >= 0.6
    assert 0.01 <= spent[0].wall_s < 0.6
    assert spent[0].cpu_s < 0.3
    assert not any(each.calls for each in before.values())


def test_a_stage_that_fails_is_charged_too(tmp_path: Path) -> None:
    fails = Clock(tmp_path).wrap(0, lambda: int("x"))
    with pytest.raises(ValueError, match="invalid literal"):
        fails()
    assert read_spent(tmp_path)[STAGES[0].name].calls == 1


def test_statements_of_the_pool_are_counted() -> None:
    lines = iter(
        (
            "2026-01-01 00:00:00.000 UTC [11] tds@tds LOG:  statement: BEGIN",
            "2026-01-01 00:00:00.000 UTC [11] tds@tds LOG:  execute _pg3_1: INSERT INTO batch",
            "2026-01-01 00:00:00.000 UTC [11] tds@tds DETAIL:  Parameters: $1 = '1'",
            "2026-01-01 00:00:00.000 UTC [12] tds@tds LOG:  statement: SELECT 1",
        )
    )
    assert count_statements(lines, {11}) == 2
